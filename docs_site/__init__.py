"""The documentation's machinery: reference pages written from the code, and the hooks of the site."""
