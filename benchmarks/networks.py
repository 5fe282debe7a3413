"""Training speed of each network and behaviour encoder, beside plain Keras of the same model.

python benchmarks/networks.py [--steps 20] [--repeats 3] [--only dcn din] [--processor-time]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import tensorflow as tf
from common import (
    BATCH,
    DIM,
    FEATURES,
    add_clock,
    batches,
    clock_of,
    fit,
    machine,
    relative,
    schema,
    side_by_side,
    table_rows,
)

import tfpfd
from tfpfd.optimizers import RowWiseAdagrad

keras = tf.keras
layers = keras.layers
UNITS = [256, 128]


class Plain:
    """Looked-up rows to one vector a feature, as Keras' functional models are written.

    Args:
      made: the schema.
      encode: makes one vector of the steps' vectors, their rows and the candidate's vector.
    """

    def __init__(self, made: tfpfd.Schema, encode: Callable | None = None) -> None:
        self.inputs, tables, self.vectors = {}, {}, []
        for name, feature in made.features("served").items():
            shape = feature.inputs()[name].shape[1:]
            self.inputs[name] = keras.Input(shape, dtype="int32", name=name)
        for name, feature in made.features("served").items():
            if name not in tables and not feature.borrowed:
                tables[name] = layers.Embedding(feature.rows, DIM)
                self.vectors.append(tables[name](self.inputs[name]))
        for name, feature in made.features("served").items():
            for of in feature.borrowed:
                steps, candidate = tables[of](self.inputs[name]), tables[of](self.inputs[of])
                self.vectors.append(encode(steps, self.inputs[name], candidate))
        self.joined = layers.Concatenate()(self.vectors)

    def model(self, logit: object) -> keras.Model:
        """The model of this logit, `[batch, 1]`."""
        return keras.Model(self.inputs, logit)


def deep(x: object) -> object:
    """Dense layers as those of `tfpfd`."""
    for units in UNITS:
        x = layers.LeakyReLU()(layers.BatchNormalization(momentum=0.9)(layers.Dense(units)(x)))
    return x


def plain_mlp(made: tfpfd.Schema, encode: Callable | None = None) -> keras.Model:
    """Dense layers."""
    plain = Plain(made, encode)
    return plain.model(layers.Dense(1)(deep(plain.joined)))


def plain_dcn(made: tfpfd.Schema) -> keras.Model:
    """Two cross layers."""
    plain = Plain(made)
    first = x = plain.joined
    for _ in range(2):
        product = layers.Multiply()([first, layers.Dense(first.shape[-1])(x)])
        x = layers.Add()([product, x])
    return plain.model(layers.Dense(1)(deep(x)))


def plain_deep_fm(made: tfpfd.Schema) -> keras.Model:
    """Pairs by the squares of sums."""
    plain = Plain(made)
    total = layers.Add()(plain.vectors)
    squares = layers.Add()([layers.Multiply()([v, v]) for v in plain.vectors])
    pairs = layers.Subtract()([layers.Multiply()([total, total]), squares])
    halved = layers.Dense(1, use_bias=False, kernel_initializer="ones", trainable=False)(pairs)
    linear = layers.Dense(1, use_bias=False)(plain.joined)
    return plain.model(layers.Add()([halved, linear, layers.Dense(1)(deep(plain.joined))]))


class Pairs(layers.Layer):
    """Products of all pairs, as a reader of DLRM's paper writes them."""

    def call(self, inputs: list) -> tf.Tensor:
        """`[batch, pairs]`."""
        stacked = tf.stack(inputs, axis=1)
        products = tf.matmul(stacked, stacked, transpose_b=True)
        upper = tf.linalg.band_part(tf.ones(products.shape[1:]), 0, -1)
        upper -= tf.eye(len(inputs))
        return tf.boolean_mask(products, upper > 0, axis=1)


def plain_dots(made: tfpfd.Schema) -> keras.Model:
    """DLRM."""
    plain = Plain(made)
    x = layers.Concatenate()([plain.joined, Pairs()(plain.vectors)])
    return plain.model(layers.Dense(1)(deep(x)))


class Din(layers.Layer):
    """The attention of the paper's code, without its softmax."""

    def build(self, input_shape: object) -> None:
        self.first, self.last = layers.Dense(36), layers.Dense(1)
        self.slope = layers.PReLU(shared_axes=[1])

    def call(self, steps: tf.Tensor, rows: tf.Tensor, candidate: tf.Tensor) -> tf.Tensor:
        """`[batch, width]`."""
        queries = tf.repeat(candidate[:, None], steps.shape[1], axis=1)
        parts = [queries, steps, queries - steps, queries * steps]
        weights = self.last(self.slope(self.first(tf.concat(parts, axis=-1))))
        mask = tf.cast(rows > 0, steps.dtype)[..., None]
        return tf.reduce_sum(weights * mask * steps, axis=1)


class Sasrec(layers.Layer):
    """Two causal blocks with positions; the last step's output."""

    def build(self, input_shape: object) -> None:
        self.dense = layers.Dense(32)
        self.position = layers.Embedding(50, 32)
        self.blocks = [
            (
                layers.LayerNormalization(),
                layers.MultiHeadAttention(1, 32),
                layers.LayerNormalization(),
                layers.Dense(32, activation="relu"),
                layers.Dense(32),
            )
            for _ in range(2)
        ]
        self.norm = layers.LayerNormalization()

    def call(self, steps: tf.Tensor, rows: tf.Tensor, candidate: tf.Tensor) -> tf.Tensor:
        """`[batch, 32]`."""
        x = self.dense(steps) + self.position(tf.range(50))
        for one, attention, other, inner, outer in self.blocks:
            normed = one(x)
            mask = (rows > 0)[:, None, :]
            x += attention(normed, normed, attention_mask=mask, use_causal_mask=True)
            x += outer(inner(other(x)))
        return self.norm(x)[:, -1]


def ranker(made: tfpfd.Schema, network: object, behaviour: object = None) -> tfpfd.Ranker:
    """The same of `tfpfd`."""
    encoder = tfpfd.FeatureEncoder(made, dim=DIM, behaviour=behaviour)
    return tfpfd.Ranker(made, network, encoder=encoder)


PAIRS = {
    "mlp": (0, plain_mlp, lambda s: ranker(s, tfpfd.MLP(UNITS))),
    "dcn": (0, plain_dcn, lambda s: ranker(s, tfpfd.DCN(2, UNITS))),
    "deep_fm": (0, plain_deep_fm, lambda s: ranker(s, tfpfd.DeepFM(UNITS))),
    "dots": (0, plain_dots, lambda s: ranker(s, tfpfd.DotInteraction(UNITS))),
    "din": (
        1,
        lambda s: plain_mlp(s, Din()),
        lambda s: ranker(s, tfpfd.MLP(UNITS), tfpfd.TargetAttention()),
    ),
    "sasrec": (
        1,
        lambda s: plain_mlp(s, Sasrec()),
        lambda s: ranker(s, tfpfd.MLP(UNITS), tfpfd.Transformer(2, 1, 32, causal=True)),
    ),
}
"""By name: how many behaviours of 50 steps, plain Keras, and `tfpfd`."""


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="batches a run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each candidate")
    parser.add_argument("--only", nargs="*", default=list(PAIRS), help="some of the pairs")
    add_clock(parser)
    options = parser.parse_args()
    clock, _ = clock_of(options)
    lines = [
        machine(),
        "",
        f"**{FEATURES} features, batches of {BATCH}, row-wise Adagrad**",
        "",
        "| | plain Keras, rows a second | tfpfd, rows a second | tfpfd / plain |",
        "|---|---:|---:|---:|",
    ]
    for name in options.only:
        sequences, plain, own = PAIRS[name]
        made = schema(sequences, privileged=0)
        data = batches(table_rows(made, BATCH * options.steps), options.steps)
        models = {"plain": plain(made), "tfpfd": own(made)}
        for kind, model in models.items():
            bce = keras.losses.BinaryCrossentropy(from_logits=True)
            auc = [keras.metrics.AUC(from_logits=True)] if kind == "plain" else None
            model.compile(optimizer=RowWiseAdagrad(0.01), loss=bce, metrics=auc)
        runs = {kind: fit(model, data) for kind, model in models.items()}
        seconds = side_by_side(runs, options.repeats, clock)
        rates = {k: BATCH * options.steps / min(times) for k, times in seconds.items()}
        faster = 1 / relative(seconds, "plain")["tfpfd"]
        lines.append(f"| {name} | {rates['plain']:,.0f} | {rates['tfpfd']:,.0f} | {faster:.2f} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
