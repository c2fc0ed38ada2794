def init() -> int:
    """x"""
    return 0
