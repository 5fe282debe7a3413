"""Warm-up: requests that TF Serving replays before a version answers its first real one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfpfd.schema import Schema
from tfpfd.schema.columns import Kind
from tfpfd.schema.vocabulary import drawn
from tfpfd.serving.signatures.signature import Sample

BATCHES, DRAWS, CANDIDATES = (1, 2, 8, 32), 5, 100
"""Rows of a request, how often each is drawn, and how many ids a row asks for at most."""


def can_write_warmup_requests(wanted: bool | None) -> bool:
    """Whether to write warm-up requests.

    Args:
      wanted: None for "where tensorflow-serving-api is installed".

    Raises:
      ImportError: they are wanted, and it isn't.
    """
    installed = importlib.util.find_spec("tensorflow_serving") is not None
    if wanted and not installed:
        raise ImportError(
            "`warmup_requests=True` needs tensorflow-serving-api, whose messages TF Serving "
            'replays: pip install "tfpfd[serving]"'
        )
    return installed if wanted is None else wanted


def write_warmup_requests(
    file: Path,
    directory: Path,
    schema: Schema,
    samples: Mapping[str, Mapping[str, Sample]],
    item_ids: list[Any],
    k: int,
) -> int:
    """Writes what TF Serving replays: TFRecords of `PredictionLog`.

    For every signature it holds requests of 1, 2, 8 and 32 rows, with values of the vocabularies,
    numbers from among the bucket edges, and histories of any length that is used. They are the
    same whenever the same model is written.

    Args:
      file: `assets.extra/tf_serving_warmup_requests` of the version.
      directory: of the SavedModel.
      schema: the served schema.
      samples: by signature, what its inputs besides features hold: see `request_samples`.
      item_ids: what to take for `"item_ids"`.
      k: the largest number to take for `"k"`.

    Returns:
      The number of requests; TF Serving takes at most 1000.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    random, count = np.random.default_rng(0), 0
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in _signatures(directory).items():
            asked = samples.get(signature, {})
            for values in _requests(inputs, schema, asked, item_ids, k, random):
                request = predict_pb2.PredictRequest()
                request.model_spec.name = directory.absolute().parent.name
                request.model_spec.signature_name = signature
                for name, value in values.items():
                    proto = tf.make_tensor_proto(value, inputs[name].dtype)
                    request.inputs[name].CopyFrom(proto)
                log = prediction_log_pb2.PredictionLog()
                log.predict_log.request.CopyFrom(request)
                writer.write(log.SerializeToString(deterministic=True))
                count += 1
    return count


def _signatures(directory: Path) -> dict[str, dict[str, Any]]:
    """The inputs of each signature, as they are declared."""
    content = (directory / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    return {
        name: dict(sorted(signature.inputs.items()))
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def _requests(
    inputs: dict[str, Any],
    schema: Schema,
    samples: Mapping[str, Sample],
    item_ids: list[Any],
    k: int,
    random: np.random.Generator,
) -> Iterator[dict[str, np.ndarray]]:
    """Values of the inputs of a signature, for one request after another."""
    known = schema.features("served")
    features = {name: feature for feature in known.values() for name in feature.columns}
    for rows in BATCHES:
        for _ in range(DRAWS):
            width = int(random.integers(1, CANDIDATES + 1))
            values = {}
            for name, info in inputs.items():
                kind, shape = _kind(info), (rows, width)[: len(info.tensor_shape.dim)]
                if name in values:
                    continue
                sample = samples.get(name)
                if sample is None:
                    values.update(features[name].sample(rows, known, random))
                elif sample == "k":
                    # A number a row, as servers that batch requests need it.
                    values[name] = np.full(rows, random.integers(1, k + 1))
                elif info.dtype == tf.bool:
                    values[name] = np.zeros(shape, bool)
                else:
                    ids = item_ids if sample == "item_ids" else []
                    values[name] = drawn(ids, kind, shape, random)
            yield values


def _kind(info: Any) -> Kind:
    dtype = tf.as_dtype(info.dtype)
    return "string" if dtype == tf.string else "int" if dtype.is_integer else "float"
