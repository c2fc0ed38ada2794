"""Digests of JSON values (RFC 8785), of files, and of what a base model consists of."""
