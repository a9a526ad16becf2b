"""What the acceptance rows and the bench beside the peers share: made data, the programs, measuring, comparers that can fail."""
