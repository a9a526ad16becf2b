"""What the acceptance rows share: made data, the program under test, its peers, and comparers that can fail."""
