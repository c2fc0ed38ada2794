"""What `regress` gives to Python code, typed; `__init__.py` imports it when it is asked for."""

from regress.api.checking import check as check
from regress.api.results import Diff as Diff
from regress.api.results import Judged as Judged
from regress.api.results import Run as Run
from regress.api.stored import compare as compare
from regress.api.stored import judge as judge
from regress.api.stored import load_run as load_run

__version__: str
