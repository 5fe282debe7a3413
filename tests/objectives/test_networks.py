import numpy as np
import pytest

from tfpfd.objectives.mixtures import PLE, MMoE
from tfpfd.objectives.networks import SharedBottom

SHAPES = {"user": {"clicks": (None, 2), "age": (None, 1)}, "item": {"film": (None, 2)}}
NAMES = ("book", "cancel", "rating")
NETWORKS = {
    "shared_bottom": lambda **kwargs: SharedBottom([4, 3], NAMES, **kwargs),
    "mmoe": lambda **kwargs: MMoE([4, 3], NAMES, experts=2, **kwargs),
    "ple": lambda **kwargs: PLE([[4], [3]], NAMES, own_experts=2, shared_experts=1, **kwargs),
}


def encoded(rows=5):
    random = np.random.default_rng(0)
    return {
        side: {
            name: random.normal(size=(rows, shape[1])).astype("f4") for name, shape in of.items()
        }
        for side, of in SHAPES.items()
    }


def built(network):
    network.build(SHAPES)
    random = np.random.default_rng(1)
    weights = [
        random.uniform(0.1, 1, w.shape) - ("variance" not in w.name) * 0.5 for w in network.weights
    ]
    network.set_weights(weights)
    return network


def joined(x):
    return np.concatenate([x["item"]["film"], x["user"]["clicks"], x["user"]["age"]], axis=1)


def run(stack, x):
    """A stack of dense layers in NumPy: batch normalisation in inference mode, leaky ReLU."""
    for layer in stack.layers:
        weights = layer.get_weights()
        kind = type(layer).__name__
        if kind == "Dense":
            x = x @ weights[0] + weights[1]
        elif kind == "BatchNormalization":
            gamma, beta, mean, variance = weights
            x = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
        else:
            x = np.where(x > 0, x, 0.3 * x)
    return x


def shares(gate, x):
    """A gate in NumPy."""
    (kernel,) = gate.get_weights()
    exponentials = np.exp(x @ kernel)
    return exponentials / exponentials.sum(1, keepdims=True)


def mixed(gate, x, experts):
    g = shares(gate, x)
    return sum(g[:, i : i + 1] * expert for i, expert in enumerate(experts))


def same(network, x, parts):
    """The logits are those of the heads on `parts`, in NumPy."""
    for (name, logits), head, part in zip(network(x).items(), network.heads, parts, strict=True):
        assert logits.shape == (5,), name
        np.testing.assert_allclose(logits, run(head, part)[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head_units", [(), (3, 2)])
def test_shared_bottom_equals_numpy(head_units):
    network, x = built(NETWORKS["shared_bottom"](head_units=head_units)), encoded()
    assert list(network(x)) == list(NAMES)
    same(network, x, [run(network.bottom, joined(x))] * 3)


def test_mmoe_equals_numpy():
    network, x = built(NETWORKS["mmoe"](head_units=[2])), encoded()
    experts = [run(stack, joined(x)) for stack in network.expert_stacks]
    assert len(experts) == 2
    same(network, x, [mixed(gate, joined(x), experts) for gate in network.gates])


def test_ple_equals_numpy():
    """Two levels, worked through as eq. 1 to 7 of the paper say: 2 experts each, 1 shared."""
    network, x = built(NETWORKS["ple"](head_units=[2])), encoded()
    first, last = network.extractions
    own, common = [joined(x)] * 3, joined(x)
    experts = [run(stack, joined(x)) for stack in first.stacks]
    assert len(experts) == 3 * 2 + 1
    own = [
        mixed(first.gates[k], joined(x), [experts[2 * k], experts[2 * k + 1], experts[6]])
        for k in range(3)
    ]
    common = mixed(first.shared_gate, joined(x), experts)
    parts = []
    for k in range(3):
        seen = [run(last.stacks[2 * k], own[k]), run(last.stacks[2 * k + 1], own[k])]
        parts.append(mixed(last.gates[k], own[k], [*seen, run(last.stacks[6], common)]))
    assert last.shared_gate is None
    same(network, x, parts)


@pytest.mark.parametrize("name", ["mmoe", "ple"])
def test_shares_of_experts_sum_to_1(name):
    network, x = built(NETWORKS[name]()), joined(encoded())
    gates = network.gates if name == "mmoe" else network.extractions[0].gates
    assert len(gates) == 3
    for gate in gates:
        found = gate(x).numpy()
        assert found.shape == (5, 2 if name == "mmoe" else 3)
        assert (found > 0).all()
        np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(found, shares(gate, x), rtol=1e-4)


def test_one_expert_is_a_shared_bottom():
    """The only share is 1, so that MMoE is what it generalises."""
    mixture, bottom = built(MMoE([4, 3], NAMES, experts=1)), built(SharedBottom([4, 3], NAMES))
    for one, other in zip(
        [*mixture.expert_stacks, *mixture.heads], [bottom.bottom, *bottom.heads], strict=True
    ):
        other.set_weights(one.get_weights())
    x = encoded()
    for name, logits in bottom(x).items():
        np.testing.assert_allclose(mixture(x)[name], logits, rtol=1e-4, atol=1e-6)


def test_an_objective_does_not_read_the_experts_of_another():
    network, x = built(PLE([[3]], NAMES, own_experts=1, shared_experts=1)), encoded()
    before = network(x)
    stack = network.extractions[0].stacks[1]
    stack.set_weights([w + 0.5 for w in stack.get_weights()])
    after = network(x)
    changed = [not np.allclose(before[name], after[name]) for name in NAMES]
    assert changed == [False, True, False]


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_config_round_trip(make):
    network = make(head_units=[3], l2=0.5, batch_norm=False)
    again = type(network).from_config(network.get_config())
    assert again.get_config() == network.get_config()
    built(again).set_weights(built(network).get_weights())
    for name, logits in network(encoded()).items():
        np.testing.assert_array_equal(again(encoded())[name], logits)
    assert again.losses
    assert not any("normalization" in w.name for w in again.weights)


def test_refusals():
    with pytest.raises(ValueError, match="`objectives` must be two or more, received \\['book'\\]"):
        SharedBottom([2], ["book"])
    with pytest.raises(ValueError, match="`objectives` must be names, each once"):
        SharedBottom([2], ["book", "book"])
    with pytest.raises(ValueError, match="`objectives` must be names, each once, received 'book'"):
        SharedBottom([2], "book")
    with pytest.raises(ValueError, match="`units` must be one or more positive integers"):
        MMoE([], NAMES)
    for units in ([0], 4, [2.5]):
        with pytest.raises(ValueError, match="`head_units` must be one or more positive") as no:
            SharedBottom([2], NAMES, head_units=units)
        assert str(no.value).endswith(f"received {units}")
    with pytest.raises(ValueError, match="`experts` must be an integer of at least 1, received 0"):
        MMoE([2], NAMES, experts=0)
    with pytest.raises(ValueError, match=r"`levels` must hold the widths .* received \[4, 3\]"):
        PLE([4, 3], NAMES)
    with pytest.raises(ValueError, match=r"`levels\[1\]` must be one or more positive integers"):
        PLE([[4], [0]], NAMES)
    with pytest.raises(ValueError, match="`experts` must be an integer of at least 1, received T"):
        MMoE([2], NAMES, experts=True)
    with pytest.raises(ValueError, match="`shared_experts` must be an integer of at least 1"):
        PLE([[4]], NAMES, shared_experts=0)
