import pytest

from experiments.coarse_and_fine import coarse_network, fine_network
from experiments.methods import CONTROLS, METHODS, TRAINED, treatment_of
from tfpfd import MLP, AuxiliaryTasks, Distillation, FeatureEncoder
from tfpfd.demo.methods import Parts


@pytest.fixture
def parts_of(schema):
    """A function from what is not shared to a student and its teachers."""

    def parts_of(unshared=(), network=coarse_network):
        return Parts(schema, network, lambda s, names: FeatureEncoder(s, names, 3), 0.3, unshared)

    return parts_of


@pytest.mark.parametrize("network", [coarse_network, fine_network])
@pytest.mark.parametrize(
    ("method", "sees", "strong"),
    [
        ("LUPI", "privileged", False),
        ("MD", "served", True),
        ("PFD", "all", False),
        ("PFD+MD", "all", True),
        ("mutual learning", "all", False),
        ("self", "served", False),
        ("shuffled", "all", False),
    ],
)
def test_a_teacher_sees_what_its_method_says(parts_of, network, method, sees, strong):
    parts = parts_of(network=network)
    model = {**METHODS, **CONTROLS}[method](parts)
    assert isinstance(model, Distillation)
    assert model.student is parts.student
    assert (model.teacher.sees, model.student.sees) == (sees, "served")
    assert model.distillation_weight.distillation_weight == 0.3
    assert model.mutual == (method == "mutual learning")
    kind, units = type(model.teacher.network), model.teacher.network.units
    same_size = (kind, units) == (type(model.student.network), model.student.network.units)
    if network is fine_network:
        assert kind is MLP
        assert len(units) == (7 if strong else 2)
    else:
        assert same_size == (not strong and sees != "privileged")


def test_the_baseline_is_the_student_and_mtl_has_heads(parts_of, schema):
    parts = parts_of()
    assert METHODS["baseline"](parts) is parts.student
    model = METHODS["MTL"](parts_of())
    assert isinstance(model, AuxiliaryTasks)
    assert len(model.heads) == len(schema.sides["privileged"])


@pytest.mark.parametrize(
    ("own", "shares"), [((), "all"), (("user_id",), "some"), (None, "nothing")]
)
def test_what_a_teacher_shares(parts_of, own, shares):
    parts = parts_of(unshared=own)
    teacher = parts.teacher("all")
    served = {id(weight) for weight in parts.student.encoder.weights}
    of_teacher = {id(weight) for weight in teacher.weights}
    if shares == "nothing":
        assert not served & of_teacher
    else:
        assert served <= of_teacher
        assert ("user_id" in teacher.unshared) == (shares == "some")


def test_only_shuffled_controls_are_treated():
    treated = [name for name in TRAINED if treatment_of(name) != "kept"]
    assert treated == ["shuffled", "MTL shuffled"]
