"""Numbers only: no type of this project is known here, and every function raises ValueError on impossible input."""
