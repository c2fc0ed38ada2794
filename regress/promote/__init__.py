"""From a PROMOTE decision to the moment of deployment: signed records, registries, and their verification.

    from regress.promote import verify_adapter
    record = verify_adapter(folder, trust=Path("trust.json"), now=datetime.now(UTC))   # raises Refused

`verify_adapter` is what a deployment calls; the commands `promote`, `verify`, `rollback`, `history` and `keys` do the
rest.
"""

from regress.promote.record import PromotionRecord, Waiver
from regress.promote.verifying import verify_adapter

__all__ = ["PromotionRecord", "Waiver", "verify_adapter"]
