"""scratch"""
import argparse, os, sys
from pathlib import Path
from local_channel import conda
from local_channel.build import build_channel
from local_channel.store import Store, default_cache
p = argparse.ArgumentParser(); p.add_argument("--cache", type=Path, default=default_cache()); a = p.parse_args()
conda.use_cache(a.cache / "rattler")
try:
    print(build_channel(Store(a.cache)))
except conda.BuildFailed as e: print(str(e)[-6000:])
sys.stdout.flush()
os._exit(0)
