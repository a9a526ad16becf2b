"""One file a row of the table; each has `measure(row)`, which notes checks in it."""
