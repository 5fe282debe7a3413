"""Do privileged features help the student? A pure function of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tfpfd.evaluation import Interval
from tfpfd.evaluation.comparison import Standing
from tfpfd.evaluation.rivals import title_of_rival
from tfpfd.evaluation.titles import title_of
from tfpfd.schema import Sees

Kind = Literal["helps", "regularisation only", "hurts", "can't tell"]

# A control that gives at least this share of the distilled student's gain explains it.
EXPLAINED = 0.5
# A teacher that is at most this much better than base in the metric knows nothing more.
LITTLE = 0.005
# A feature with more than this share of the teacher's strength is a candidate to leave out.
TOO_PREDICTIVE = 0.5


_BETTER_BASE = (
    "A better base, before anything else: `learning_rate` and `epochs` (--learning-rate, "
    "--epochs), more rows, other penalties (a `make_student` of yours, in Python), and whether the "
    "rival sees something that it doesn't (the history, the item's id)."
)


@dataclass(frozen=True)
class Evidence:
    """What a verdict goes by. All differences are turned so that positive is better.

    Args:
      metric: the primary metric.
      gain: the distilled student minus base.
      over: the distilled student minus each control.
      of_controls: each control minus base.
      teacher: the distilled student's teacher minus base.
      strengths: what the teacher loses in the metric when a privileged feature is permuted.
      sees: which features the teacher sees.
      unlabelled: number of training rows without a label.
      sparse_ids: served features with few labelled rows for each of their values.
      standing: where base stands among the rivals; None where there are none.
    """

    metric: str
    gain: Interval
    over: Mapping[str, Interval]
    of_controls: Mapping[str, Interval]
    teacher: Interval
    strengths: Mapping[str, float] = field(default_factory=dict)
    sees: Sees = "all"
    unlabelled: int = 0
    sparse_ids: tuple[str, ...] = ()
    standing: Standing | None = None


@dataclass(frozen=True)
class Verdict:
    """An answer in one sentence, and what to try.

    Args:
      kind: `"helps"`, `"regularisation only"`, `"hurts"` or `"can't tell"`.
      on_features: the same with its figures.
      advice: what to try, one sentence each.
      on_base: that base is below a rival, which is to be fixed first; else "".
    """

    kind: Kind
    on_features: str
    advice: tuple[str, ...]
    on_base: str = ""

    @property
    def sentence(self) -> str:
        """What is to be known: of a base below a rival in the first line, then of features."""
        return "\n".join(line for line in (self.on_base, self.on_features) if line)

    def __str__(self) -> str:
        return self.sentence


def judge(evidence: Evidence) -> Verdict:
    """Draws the conclusion.

    - *hurts*: the distilled student is worse than base.
    - *helps*: it is better than base and than every control.
    - *regularisation only*: a control is better than base, and either gives at least half of the
      distilled student's gain, which the distilled student doesn't exceed beyond doubt, or is
      better than the distilled student.
    - *can't tell*: anything else.

    "Better" and "worse" mean that the interval excludes zero. Before it, if base is below a rival
    beyond doubt, stands that: whatever lifts a student that is badly trained proves little.
    """
    kind = _kind(evidence)
    advice, standing = _advice(kind, evidence), evidence.standing
    if standing is None or standing.where != "below":
        return Verdict(kind, _sentence(kind, evidence), advice)
    return Verdict(kind, _sentence(kind, evidence), (_BETTER_BASE, *advice), on_base(standing))


def on_base(standing: Standing) -> str:
    """Whether the base is good enough to start from, in a sentence."""
    return standing.sentence("Your base", title_of_rival(standing.rival))


def _kind(evidence: Evidence) -> Kind:
    if _worse(evidence.gain):
        return "hurts"
    if _better(evidence.gain) and all(map(_better, evidence.over.values())):
        return "helps"
    if _explaining(evidence):
        return "regularisation only"
    return "can't tell"


def _better(difference: Interval) -> bool:
    return difference.low > 0


def _worse(difference: Interval) -> bool:
    return difference.high < 0


def _explaining(evidence: Evidence) -> list[str]:
    """The controls that explain the gain, or beat it; the strongest first."""
    found = [
        name
        for name, control in evidence.of_controls.items()
        if _better(control)
        and (
            _worse(evidence.over[name])
            or (
                _better(evidence.gain)
                and not _better(evidence.over[name])
                and control.mean >= EXPLAINED * evidence.gain.mean
            )
        )
    ]
    return sorted(found, key=lambda name: -evidence.of_controls[name].mean)


def _sentence(kind: Kind, evidence: Evidence) -> str:
    metric, gain = title_of(evidence.metric), evidence.gain
    if kind == "helps":
        least = min(evidence.over, key=lambda name: evidence.over[name].mean)
        return (
            f"Helps: with privileged features the student's {metric} is better than base by "
            f"{gain} and than every control, the nearest ({least}) by {evidence.over[least]}."
        )
    if kind == "hurts":
        return f"Hurts: with privileged features the student's {metric} is worse than base: {gain}."
    if kind == "regularisation only":
        control = _explaining(evidence)[0]
        return (
            f"Regularisation only: in {metric} the gain over base is {gain}, and {control}, which "
            f"learns nothing from privileged features, gains {evidence.of_controls[control]} "
            f"(distilled minus {control}: {evidence.over[control]})."
        )
    doubtful = [name for name, difference in evidence.over.items() if not _better(difference)]
    if _better(gain):
        nearest = min(doubtful, key=lambda name: evidence.over[name].mean)
        why = f"a gain of {gain} over base, of {evidence.over[nearest]} over {nearest}"
    else:
        why = f"the gain over base is {gain}"
    return f"Can't tell with this many rows: in {metric}, {why}."


def _advice(kind: Kind, evidence: Evidence) -> tuple[str, ...]:
    if kind == "helps":
        return ()
    advice: list[str] = []
    if kind == "can't tell":
        advice.append("More test rows or more `seeds` (--seeds): both narrow the intervals.")
    if evidence.unlabelled == 0:
        advice.append(
            "Rows without a label (NaN) on which privileged features are known, such as items "
            "that were not shown: only there does a teacher say something that no label says."
        )
    if not _better(evidence.teacher):
        advice.append(_on_the_teacher(evidence.teacher))
    elif (strongest := _too_predictive(evidence)) is not None:
        advice.append(
            f"Leaving out '{strongest}', on which most of the teacher's strength rests: a too "
            "predictive feature makes soft labels that the student can't follow."
        )
    if evidence.sees != "privileged":
        advice.append(
            'A smaller teacher on the privileged features alone (sees="privileged", '
            "--sees privileged): it can't overfit as the student does."
        )
    if evidence.sparse_ids:
        names = ", ".join(f"'{name}'" for name in evidence.sparse_ids)
        advice.append(
            f"Leaving raw ids out ({names}): few labelled rows for each value, so student and "
            "teacher learn them by heart."
        )
    return tuple(advice)


def _on_the_teacher(difference: Interval) -> str:
    """What to try where the teacher isn't better than base beyond doubt."""
    if difference.high <= LITTLE:
        return (
            "Better privileged features: the teacher isn't better than base beyond doubt, so it "
            "has nothing to teach."
        )
    return (
        "Better privileged features, unless more test rows or seeds show what these are worth: the "
        f"teacher minus base is {difference}, too wide an interval to say."
    )


def _too_predictive(evidence: Evidence) -> str | None:
    """The feature that makes up most of the teacher's strength, if there are others beside it."""
    strengths = {name: max(value, 0.0) for name, value in evidence.strengths.items()}
    total = sum(strengths.values())
    if len(strengths) < 2 or total == 0:
        return None
    strongest = max(strengths, key=lambda name: strengths[name])
    return strongest if strengths[strongest] > TOO_PREDICTIVE * total else None
