"""One thread per test process: small tensors are slower on several, and the workers share the cores."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
