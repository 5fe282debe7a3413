"""The audit: do privileged features help the student, or is it only regularisation?"""

from tfpfd.auditing.audit import audit
from tfpfd.auditing.measures import AuditMeasures
from tfpfd.auditing.report import Report
from tfpfd.auditing.results import Results, Size
from tfpfd.auditing.tuning import Tuning
from tfpfd.auditing.verdict import Evidence, Verdict, judge

__all__ = [
    "AuditMeasures",
    "Evidence",
    "Report",
    "Results",
    "Size",
    "Tuning",
    "Verdict",
    "audit",
    "judge",
]
