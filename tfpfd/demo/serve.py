"""A server in miniature: loads an export with TensorFlow alone and answers one request.

Run as a script, not imported: `python serve.py <version directory>` reads one user's features and
the rules of the request as JSON from standard input, and writes the ten best items that the rules
let through as JSON.
"""

import json
import sys

import tensorflow as tf


def main() -> None:
    """Answers the request on standard input."""
    top_k_where = tf.saved_model.load(sys.argv[1]).signatures["top_k_where"]
    request = json.load(sys.stdin)
    types = top_k_where.structured_input_signature[1]
    features = {name: tf.constant([value], types[name].dtype) for name, value in request.items()}
    answer = top_k_where(k=tf.constant(10), **features)
    print(json.dumps({name: values[0].numpy().tolist() for name, values in answer.items()}))


if __name__ == "__main__":
    main()
