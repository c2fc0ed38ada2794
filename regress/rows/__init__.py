"""Training data as it comes: files in many formats, rows in many shapes, one meaning; streamed, within budgets."""
