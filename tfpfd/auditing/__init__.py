"""The audit: do privileged features help the student, or is it only regularisation?"""

from tfpfd.auditing.audit import audit
from tfpfd.auditing.report import Report
from tfpfd.auditing.results import Results, Size
from tfpfd.auditing.verdict import Evidence, Verdict, judge

__all__ = [
    "Evidence",
    "Report",
    "Results",
    "Size",
    "Verdict",
    "audit",
    "judge",
]
