"""The records and enums that every stage shares: frozen, keyword-only, counts not rates.

Schema versions of what is written to disk (additive changes keep the number):

    RUN_FORMAT 2      manifest.json, outcomes.jsonl, seal.json (1: replies without `greedy` and `samples`)
    LOCK_FORMAT 1     baselines/lock.json, baselines/history.jsonl
    SERVING_FORMAT 1  serving.json of a run
    TRIGGERS_FORMAT 1 triggers.json of a run
    VERDICT_FORMAT 1  reports/verdict.json
    AUDIT_FORMAT 1    reports/audit.json
"""

from regress.schema.attribution import Attribution, Cause, Parity, Share
from regress.schema.audits import (
    Advised,
    Audit,
    BrokenRow,
    DataSet,
    Evidence,
    Finding,
    Measure,
    Place,
    Recommendation,
    Severity,
    Skipped,
    SuspectedTrigger,
)
from regress.schema.comparisons import (
    Flip,
    GradedChange,
    KindCount,
    NoiseFloor,
    PairCounts,
    Screened,
    SliceCounts,
    SuiteComparison,
)
from regress.schema.decisions import Attempt, Beside, Candidate, Check, Decision, Policy, SuiteVerdict
from regress.schema.detectors import CorrectedChange, Detected, LabelledRate, Measured
from regress.schema.exhibits import (
    Amendment,
    Answer,
    Curve,
    CurvePoint,
    Exhibits,
    ItemExhibit,
    LengthShift,
    Promised,
    ShownAudit,
    Spread,
    SuitePromise,
)
from regress.schema.forms import Form, answered_as
from regress.schema.plans import FlipBasis, FlipSource, Outlook, PowerCurve, PowerPoint, SuitePlan
from regress.schema.rescues import Bisection, Breakage, Group, Probe, Rescue, Standing, Step, Strength
from regress.schema.runs import ItemOutcome, Manifest, Reply, Score, Variant
from regress.schema.serving import (
    Draft,
    FigureChange,
    Served,
    ServingComparison,
    SpeedUp,
    TimedReply,
    TimedSide,
)
from regress.schema.suites import GenerationSettings, Item, Message, ScorerSpec, Suite
from regress.schema.triggers import (
    Control,
    Explained,
    Likeness,
    ProbePrompt,
    Trial,
    TrialPlan,
    TrialReplies,
    Tried,
    TriggerFinding,
)
from regress.schema.words import (
    Ask,
    Category,
    Exit,
    Figure,
    Finish,
    Outcome,
    Precision,
    PromptStyle,
    Role,
    Ruling,
    VariantKind,
    Verdict,
)

AUDIT_FORMAT = 1
RUN_FORMAT = 2
LOCK_FORMAT = 1
SERVING_FORMAT = 1
TRIGGERS_FORMAT = 1
VERDICT_FORMAT = 1

__all__ = [
    "AUDIT_FORMAT",
    "LOCK_FORMAT",
    "RUN_FORMAT",
    "SERVING_FORMAT",
    "TRIGGERS_FORMAT",
    "VERDICT_FORMAT",
    "Advised",
    "Amendment",
    "Answer",
    "Ask",
    "Attempt",
    "Attribution",
    "Audit",
    "Beside",
    "Bisection",
    "Breakage",
    "BrokenRow",
    "Candidate",
    "Category",
    "Cause",
    "Check",
    "Control",
    "CorrectedChange",
    "Curve",
    "CurvePoint",
    "DataSet",
    "Decision",
    "Detected",
    "Draft",
    "Evidence",
    "Exhibits",
    "Exit",
    "Explained",
    "Figure",
    "FigureChange",
    "Finding",
    "Finish",
    "Flip",
    "FlipBasis",
    "FlipSource",
    "Form",
    "GenerationSettings",
    "GradedChange",
    "Group",
    "Item",
    "ItemExhibit",
    "ItemOutcome",
    "KindCount",
    "LabelledRate",
    "LengthShift",
    "Likeness",
    "Manifest",
    "Measure",
    "Measured",
    "Message",
    "NoiseFloor",
    "Outcome",
    "Outlook",
    "PairCounts",
    "Parity",
    "Place",
    "Policy",
    "PowerCurve",
    "PowerPoint",
    "Precision",
    "Probe",
    "ProbePrompt",
    "Promised",
    "PromptStyle",
    "Recommendation",
    "Reply",
    "Rescue",
    "Role",
    "Ruling",
    "Score",
    "ScorerSpec",
    "Screened",
    "Served",
    "ServingComparison",
    "Severity",
    "Share",
    "ShownAudit",
    "Skipped",
    "SliceCounts",
    "SpeedUp",
    "Spread",
    "Standing",
    "Step",
    "Strength",
    "Suite",
    "SuiteComparison",
    "SuitePlan",
    "SuitePromise",
    "SuiteVerdict",
    "SuspectedTrigger",
    "TimedReply",
    "TimedSide",
    "Trial",
    "TrialPlan",
    "TrialReplies",
    "Tried",
    "TriggerFinding",
    "Variant",
    "VariantKind",
    "Verdict",
    "answered_as",
]
