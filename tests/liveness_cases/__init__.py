"""Bodies that run and bodies that do not, each with what shows it: the server's own word decides.

In the SQL `@` stands for the case's number, so that all cases live in one database.
"""

from tests.liveness_cases.case import Case
from tests.liveness_cases.statements import STATEMENTS
from tests.liveness_cases.triggers import TRIGGERS
from tests.liveness_cases.variables import VARIABLES
from tests.liveness_cases.wholes import WHOLES

__all__ = ["BEFORE", "CASES", "Case"]

BEFORE = "CREATE TYPE state AS ENUM ('open', 'closed')"
CASES = [*TRIGGERS, *STATEMENTS, *VARIABLES, *WHOLES]
