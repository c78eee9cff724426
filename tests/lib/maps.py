# SPDX-License-Identifier: GPL-2.0-only
"""What pinned maps hold: bpftool takes minutes to print what is read here in a second."""

import ctypes
import hashlib
import mmap
import os

PERCPU_ARRAY, ARRAY_OF_MAPS, DEVMAP_HASH = 6, 12, 25
MMAPABLE = 1 << 10
BATCH = 4096
ENOENT = 2

_libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)


class Info(ctypes.Structure):
    """The beginning of struct bpf_map_info."""
    _fields_ = [(name, ctypes.c_uint32) for name in
                ("type", "id", "key_size", "value_size", "max_entries", "flags")] + \
               [("rest", ctypes.c_char * 256)]


def _info(descriptor):
    info, size = Info(), ctypes.c_uint32(ctypes.sizeof(Info))
    failed = _libbpf.bpf_obj_get_info_by_fd(descriptor, ctypes.byref(info), ctypes.byref(size))
    assert failed == 0, os.strerror(ctypes.get_errno())
    return info


def _memory(descriptor, info):
    stride = (info.value_size + 7) // 8 * 8
    size = -(-stride * info.max_entries // mmap.PAGESIZE) * mmap.PAGESIZE
    with mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ) as memory:
        return hashlib.sha256(memory).hexdigest()


def _entries(descriptor, info):
    """Pairs of key and value; of a hash in any order."""
    value_size = info.value_size
    if info.type == PERCPU_ARRAY:
        value_size = (value_size + 7) // 8 * 8 * _libbpf.libbpf_num_possible_cpus()
    keys = ctypes.create_string_buffer(BATCH * info.key_size)
    values = ctypes.create_string_buffer(BATCH * value_size)
    after, at, failed = ctypes.create_string_buffer(64), None, 0
    while failed == 0:
        count = ctypes.c_uint32(BATCH)
        failed = -_libbpf.bpf_map_lookup_batch(descriptor, at, after, keys, values,
                                               ctypes.byref(count), None)
        assert failed in (0, ENOENT), os.strerror(failed)
        some_keys, some_values = keys.raw, values.raw
        for i in range(count.value):
            yield (some_keys[i * info.key_size:(i + 1) * info.key_size],
                   some_values[i * value_size:(i + 1) * value_size])
        at = after


def _one_by_one(descriptor, info):
    """The same of a map that has no batches."""
    key, value = ctypes.create_string_buffer(info.key_size), \
        ctypes.create_string_buffer(info.value_size)
    at = None
    while _libbpf.bpf_map_get_next_key(descriptor, at, key) == 0:
        if _libbpf.bpf_map_lookup_elem(descriptor, key, value) == 0:
            yield key.raw, value.raw
        at = key


def _inner_maps(descriptor, info):
    """Pairs of index and id, of those that there are."""
    number = ctypes.c_uint32()
    for index in range(info.max_entries):
        key = ctypes.c_uint32(index)
        if _libbpf.bpf_map_lookup_elem(descriptor, ctypes.byref(key), ctypes.byref(number)) == 0:
            yield index, number.value


def _contents(descriptor, info):
    if info.flags & MMAPABLE:
        return _memory(descriptor, info)
    if info.type == ARRAY_OF_MAPS:
        return frozenset(_inner_maps(descriptor, info))
    if info.type == DEVMAP_HASH:
        return frozenset(_one_by_one(descriptor, info))
    return frozenset(_entries(descriptor, info))


def read(pins):
    """{name: what it holds} of every pinned map, and {(name, index): ...} of each map in a map."""
    found = {}
    for pin in sorted(path for path in pins.glob("layout-*/*") if path.name != "program"):
        descriptor = _libbpf.bpf_obj_get(os.fsencode(pin))
        assert descriptor >= 0, pin
        info = _info(descriptor)
        found[pin.name] = _contents(descriptor, info)
        for index, number in found[pin.name] if info.type == ARRAY_OF_MAPS else ():
            inner = _libbpf.bpf_map_get_fd_by_id(number)
            assert inner >= 0, pin
            found[pin.name, index] = _contents(inner, _info(inner))
            os.close(inner)
        os.close(descriptor)
    return found
