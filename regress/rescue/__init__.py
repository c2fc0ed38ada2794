"""After a REJECT: which strength of the adapter can be saved, and which checkpoint was the first to break something."""
