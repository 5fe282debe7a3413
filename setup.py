"""Installation of tfpfd: a small core, everything else in extras."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (ROOT / "tfpfd" / "version.py").read_text().splitlines()
    if line.startswith("__version__")
)

# tensorflow-recommenders asks for any TensorFlow; on TensorFlow >= 2.16 it runs on tf_keras only.
TFRS = ["tensorflow-recommenders>=0.7.3", "tf-keras"]
# TensorFlow Ranking 0.5.5 can't be imported on a TensorFlow newer than 2.15, which has no wheel
# for Python 3.12.
RANKING = [
    "tensorflow-ranking==0.5.5; python_version < '3.12'",
    "tensorflow>=2.15,<2.16; python_version < '3.12'",
    # TensorFlow 2.15 needs NumPy 1; pyarrow 26 refuses it at import, which its metadata don't say.
    "pyarrow<26; python_version < '3.12'",
]
PLOTS = ["matplotlib>=3.7"]
DEMO = ["rich>=13", "typer>=0.12", "scipy>=1.10", "scikit-learn>=1.3", *PLOTS]
# Messages of TF Serving, for warm-up requests; of the version that fits TensorFlow's.
SERVING = ["tensorflow-serving-api>=2.15.1"]
FAISS = ["faiss-cpu>=1.8"]
# ScaNN 1.3.0 has operations for TensorFlow 2.15, in wheels for Linux on x86.
SCANN = [
    f"{package}; python_version < '3.12' and sys_platform == 'linux' "
    "and platform_machine == 'x86_64'"
    for package in ("scann==1.3.0", "tensorflow>=2.15,<2.16")
]
DEV = [
    "pytest>=7.4",
    "pytest-xdist>=3.5",
    "scikit-learn>=1.3",
    "hypothesis>=6",
    "ruff>=0.8",
    "mypy>=1.10",
]

setup(
    name="tfpfd",
    version=VERSION,
    description="Train recommenders with features you can't serve.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["tfpfd", "tfpfd.*"]),
    # Beside the package, as importing anything of it imports TensorFlow.
    py_modules=["tfpfd_cli"],
    package_data={"tfpfd": ["py.typed"]},
    # pyarrow 14.0.0 runs code of the files that it reads (CVE-2023-47248).
    install_requires=["tensorflow>=2.15", "numpy>=1.24", "pandas>=2.0", "pyarrow>=14.0.1"],
    extras_require={
        "tfrs": TFRS,
        "ranking": RANKING,
        "plots": PLOTS,
        "serving": SERVING,
        "faiss": FAISS,
        "scann": SCANN,
        "demo": DEMO,
        "dev": DEV,
        "all": [*TFRS, *RANKING, *SERVING, *FAISS, *SCANN, *DEMO, *DEV],
    },
    entry_points={"console_scripts": ["tfpfd = tfpfd_cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Operating System :: POSIX",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
