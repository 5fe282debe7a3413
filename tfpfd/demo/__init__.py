"""The commands `tfpfd demo` and `tfpfd audit`: MovieLens-100K, and default networks on rows."""
