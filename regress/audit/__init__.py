"""What training data will do to a model, before it does: one streaming pass, one file a check, ranked findings."""
