"""The `compression` option as HDF5 filters.

None (default), "gzip", ("gzip", level), "bitshuffle" (LZ4), "blosc2" (zstd level 1 with
bitshuffle), or any filter object of hdf5plugin. openPMD-api reads gzip by itself and the
others when HDF5_PLUGIN_PATH points to hdf5plugin's plugins.
"""

import importlib.util
from collections.abc import Mapping

from h5py import h5z

from ..errors import MissingPackageError, SettingError
from .shot import Storage

_BUILT_IN = {1: "gzip", 2: "shuffle"}
_ready = set()


def storage(option):
    """The `Storage` of a compression option."""
    if option is None:
        return Storage()
    if isinstance(option, Storage):
        return option
    if isinstance(option, Mapping):
        return Storage(((int(option["compression"]), tuple(option["compression_opts"])),))
    name, level = option if isinstance(option, tuple) else (option, None)
    if name == "gzip":
        return Storage(((h5z.FILTER_SHUFFLE, ()), (h5z.FILTER_DEFLATE, (_level(level),))))
    if name == "bitshuffle":
        return storage(_plugins().Bitshuffle(cname="lz4"))
    if name == "blosc2":
        blosc = _plugins().Blosc2
        return storage(blosc(cname="zstd", clevel=_level(level), filters=blosc.BITSHUFFLE))
    raise SettingError(
        f'compression must be None, "gzip", "bitshuffle", "blosc2" or a filter of hdf5plugin, '
        f"not {option!r}"
    )


def _level(level):
    if level is None:
        return 1
    if level not in range(10):
        raise SettingError(f"compression level must be from 0 to 9, not {level!r}")
    return int(level)


def _plugins():
    try:
        import hdf5plugin
    except ImportError:
        raise MissingPackageError(
            "this compression needs hdf5plugin: pip install 'openpmd-ccd[compression]'"
        ) from None
    return hdf5plugin


def _make_writable(number):
    """Let hdf5plugin register the filter itself, where HDF5 found it through HDF5_PLUGIN_PATH.

    Without hdf5plugin's initialisation its filters can read, but fail to create a dataset.
    """
    if number in _ready:
        return
    if importlib.util.find_spec("hdf5plugin") is None and h5z.filter_avail(number):
        return
    hdf5plugin = _plugins()
    for name, where in hdf5plugin.get_config().registered_filters.items():
        if hdf5plugin.FILTERS[name] == number and where == "unknown":
            hdf5plugin.register(name, force=True)
    _ready.add(number)


def make_readable(dataset):
    """Load hdf5plugin if the h5py.Dataset needs filters that HDF5 does not find by itself.

    Raises `MissingPackageError` where it is not installed.
    """
    if dataset.is_virtual:
        for source in dataset.virtual_sources():
            if source.file_name == ".":
                make_readable(dataset.file[source.dset_name])
    if dataset.chunks is None:
        return
    properties = dataset.id.get_create_plist()
    for number in (properties.get_filter(i)[0] for i in range(properties.get_nfilters())):
        if not h5z.filter_avail(number):
            _plugins()


def apply(storage, dcpl):
    """Put the filters of `storage` into a dataset creation property list."""
    for number, values in storage.filters:
        if number not in _BUILT_IN:
            _make_writable(number)
        if number == h5z.FILTER_SHUFFLE:
            dcpl.set_shuffle()
        else:
            dcpl.set_filter(number, h5z.FLAG_MANDATORY, tuple(values))
