"""For all tests: one thread per process, and no test that fails because the machine was busy."""

import os

import hypothesis

# Small tensors are slower on several threads, and the workers share the cores.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

hypothesis.settings.register_profile("querist", deadline=None)
hypothesis.settings.load_profile("querist")
