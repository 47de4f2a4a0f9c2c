"""Reading a scan back, by shot, as a stack or as a table; also while it is written."""
