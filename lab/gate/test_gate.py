# SPDX-License-Identifier: MIT
"""Clients of the gate, decent and hostile: test_gate.py CASE FOLDER [ARGUMENT]…; prints nothing where all is well."""
import os
import random
import socket
import struct
import sys
import threading
import time

import libvirt

REMOTE, KEEPALIVE, QEMU = 0x20008086, 0x6B656570, 0x20008087


def connect(folder, name="libvirt-sock"):
    return libvirt.open(f"qemu+unix:///system?socket={folder}/{name}")


def denied(call, *arguments):
    """The call is refused by the gate, in a sentence."""
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED, error
        assert " denied: " in str(error), error
        return
    raise AssertionError(f"{call} passed")


def message(procedure, body=b"", program=REMOTE, version=1, kind=0, serial=1, status=0):
    return struct.pack(">IIIiiIi", 28 + len(body), program, version, procedure, kind, serial, status) + body


def raw(folder):
    s = socket.socket(socket.AF_UNIX)
    s.connect(f"{folder}/libvirt-sock")
    s.settimeout(30)
    return s


def opened(folder):
    s = raw(folder)
    for call in (message(66), message(1, struct.pack(">II16sI", 1, 14, b"qemu:///system", 0))):
        s.sendall(call)
        assert reply(s)[5] == 0
    return s


def receive(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def reply(s):
    body = receive(s, struct.unpack(">I", receive(s, 4))[0] - 4)
    return struct.unpack(">IIiiIi", body[:24]) + (body[24:],)


def ended(s):
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True


def domain(name, uuid):
    text = name.encode()
    return struct.pack(">I", len(text)) + text + bytes(-len(text) % 4) + uuid + struct.pack(">i", -1)


def harmless(call, *arguments):
    """The call comes to libvirtd and its reply back; that it can fail here is libvirtd's."""
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        assert "denied" not in str(error), error
        assert error.get_error_domain() != libvirt.VIR_FROM_RPC, f"{call}: {error}"


def case_reads(folder, ours, foreign):
    """Everything a controller reads, of the run's guests and of others'."""
    conn = connect(folder)
    for call in ("getInfo", "getCapabilities", "getHostname", "getURI", "getType", "getVersion", "getLibVersion",
                 "getFreeMemory", "getCPUMap", "getSysinfo", "numOfDomains", "listDomainsID", "listDefinedDomains",
                 "numOfDefinedDomains", "isSecure", "isEncrypted", "getDomainCapabilities", "getSecurityModel"):
        harmless(getattr(conn, call))
    conn.getCPUStats(-1)
    conn.getMemoryStats(-1)
    conn.getCellsFreeMemory(0, 1)
    conn.getMaxVcpus(None)
    conn.getCPUModelNames("x86_64")
    conn.getFreePages([4], 0, 1)
    conn.getMemoryParameters()
    conn.getAllDomainStats()
    names = {dom.name() for dom in conn.listAllDomains()}
    assert {ours, foreign} <= names, names
    for name in (ours, foreign):
        dom = conn.lookupByName(name)
        assert conn.lookupByUUIDString(dom.UUIDString()).name() == name
        conn.domainListGetStats([dom])
        for call in ("info", "state", "maxMemory", "XMLDesc", "vcpuPinInfo", "emulatorPinInfo", "schedulerType",
                     "schedulerParameters", "memoryParameters", "blkioParameters", "numaParameters", "isActive",
                     "isPersistent", "isUpdated", "autostart", "OSType", "ioThreadInfo", "perfEvents", "messages",
                     "hasManagedSaveImage", "diskErrors", "jobInfo", "jobStats", "vcpus", "maxVcpus", "memoryStats",
                     "controlInfo", "securityLabel", "interfaceStats", "blockStats", "blockStatsFlags", "blockInfo",
                     "interfaceParameters", "blockIoTune", "getCPUStats", "vcpusFlags", "schedulerParametersFlags"):
            arguments = {"interfaceStats": ("vnet0",), "blockStats": ("vda",), "blockStatsFlags": ("vda",),
                         "blockInfo": ("vda",), "interfaceParameters": ("vnet0",), "blockIoTune": ("vda",),
                         "getCPUStats": (True,)}.get(call, ())
            harmless(getattr(dom, call), *arguments)
        denied(dom.XMLDesc, libvirt.VIR_DOMAIN_XML_SECURE)
    try:
        conn.lookupByName("nobody\xff'")
        raise AssertionError
    except libvirt.libvirtError as error:
        assert error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN
    conn.close()
    readonly = connect(folder, "libvirt-sock-ro")
    assert ours in {dom.name() for dom in readonly.listAllDomains()}


def case_steers(folder, ours, *others):
    """The run's guests can be steered, others' not, whatever the call says they are called."""
    conn = connect(folder)
    config = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    dom = conn.lookupByName(ours)
    dom.pinVcpuFlags(0, (True,), config)
    assert dom.vcpuPinInfo(config)[0][0]
    dom.setMemoryFlags(32 * 1024, config)
    dom.setMemoryStatsPeriod(2, config)
    dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<x/>", "k", "urn:mine", config)
    assert "x" in dom.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "urn:mine", config)
    denied(dom.setMetadata, libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, None, "urn:ballast:lab:1", config)
    denied(dom.setMaxMemory, 64 * 1024)
    for call in ("create", "destroy", "undefine", "shutdown", "suspend", "reset", "managedSave", "hostname"):
        denied(getattr(dom, call))
    for name in others:
        other = conn.lookupByName(name)
        for _ in range(2):
            denied(other.pinVcpuFlags, 0, (True,), config)
            denied(other.setMemoryFlags, 32 * 1024, config)
        s = opened(folder)  # its UUID under the name of one of ours
        s.sendall(message(225, domain(ours, other.UUID()) + struct.pack(">II4sI", 0, 1, b"\1\0\0\0", config)))
        answer = reply(s)
        assert answer[5] == 1 and b"denied" in answer[6], answer
    denied(conn.createXML, "<domain/>")
    denied(conn.defineXML, "<domain/>")
    denied(conn.listAllNetworks)
    denied(conn.suspendForDuration, 0, 60)


def case_unknown_guest(folder):
    s = opened(folder)
    s.sendall(message(26, domain("aos_vm1", b"\7" * 16) + struct.pack(">II4s", 0, 1, b"\1\0\0\0"), serial=77))
    answer = reply(s)
    assert answer[4] == 77 and answer[5] == 1 and struct.unpack(">i", answer[6][:4])[0] == 42, answer
    s.sendall(message(1, program=QEMU, serial=78))
    answer = reply(s)
    assert answer[4] == 78 and struct.unpack(">i", answer[6][:4])[0] == 29, answer


def case_nonsense(folder):
    """Each ends its own connection, and nobody else's."""
    other = connect(folder)
    for data in (struct.pack(">I", 0), struct.pack(">I", 27), struct.pack(">I", 0xFFFFFFFF), struct.pack(">I", 2 << 20),
                 message(7, program=1), message(7, version=2), message(7, kind=1), message(7, kind=2),
                 message(7, kind=3), message(7, kind=4), message(7, kind=6), message(7, status=1),
                 message(16, b"abc\0"), message(16), message(318), message(9, program=KEEPALIVE, kind=2),
                 b"GET / HTTP/1.0\r\n\r\n" + bytes(64)):
        s = opened(folder)
        s.sendall(data)
        assert ended(s), data
        other.getInfo()
    for cut in (1, 3, 4, 20, 27):
        s = opened(folder)
        s.sendall(message(7)[:cut])
        s.close()
        other.getInfo()
    seed = random.randrange(1 << 32)
    print(f"# seed {seed}")
    rng = random.Random(seed)
    for _ in range(200):
        s = raw(folder)
        body = rng.randbytes(rng.randrange(200))
        try:
            s.sendall(message(rng.randrange(450), body, rng.choice((REMOTE, REMOTE, QEMU, KEEPALIVE)),
                              kind=rng.choice((0, 0, 0, 2)), serial=rng.getrandbits(32)))
        except OSError:
            pass
        s.close()
    other.getInfo()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def case_flood(folder, pid):
    """Clients that ask without end and read nothing cost little memory, and others are answered."""
    floods = []
    other = connect(folder)
    stop = threading.Event()

    def flood(s, data):
        s.setblocking(False)
        while not stop.is_set():
            try:
                s.send(data)
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                return

    for data in (message(7) * 500, message(12, domain("a", bytes(16))) * 500,
                 message(1, program=KEEPALIVE, kind=2, serial=0) * 500):
        for _ in range(2):
            s = opened(folder)
            floods.append((s, threading.Thread(target=flood, args=(s, data))))
            floods[-1][1].start()
    for _ in range(100):
        other.getInfo()
        time.sleep(0.01)
    resident = resident_kib(pid)
    stop.set()
    for s, thread in floods:
        thread.join()
        s.close()
    assert resident < 64 * 1024, f"{resident} KiB"
    other.getInfo()


def case_pipelined(folder):
    """Calls that are not waited for are each answered, under their own serials, equal ones too."""
    s = opened(folder)
    serials = [1000 + i // 2 for i in range(200)]
    s.sendall(b"".join(message(6 if i % 3 else 12, b"" if i % 3 else domain("a", bytes(16)), serial=n)
                       for i, n in enumerate(serials)))
    assert sorted(reply(s)[4] for _ in serials) == serials


def case_sixteen(folder):
    conns = [connect(folder) for _ in range(16)]
    for _ in range(20):
        for conn in conns:
            conn.getInfo()


def case_events(folder, ours):
    """Events come through, those of others' making too; keepalive does."""
    libvirt.virEventRegisterDefaultImpl()
    conn, seen = connect(folder), []
    conn.setKeepAlive(1, 3)
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, lambda *event: seen.append(event[1].name()), None)
    other = libvirt.open("qemu:///system").lookupByName(ours)
    other.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<x/>", "k", "urn:mine", libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    alarm = libvirt.virEventAddTimeout(100, lambda *_: None, None)
    end = time.monotonic() + 30
    while (not seen or time.monotonic() < end - 26) and time.monotonic() < end:  # some pings' time, too
        libvirt.virEventRunDefaultImpl()
    libvirt.virEventRemoveTimeout(alarm)
    assert seen == [ours], seen
    assert conn.isAlive()


def case_gone(folder):
    """No libvirtd: the client is told."""
    try:
        connect(folder)
    except libvirt.libvirtError:
        return
    raise AssertionError("somebody answered")


def case_lost(folder, restart_ready, restarted):
    """A connection ends with libvirtd; the next one after it is back works."""
    conn = connect(folder)
    conn.getInfo()
    open(restart_ready, "w", encoding="ascii").close()
    while not os.path.exists(restarted):
        time.sleep(0.05)
    try:
        conn.getInfo()
        raise AssertionError("the old connection answered")
    except libvirt.libvirtError:
        pass
    connect(folder).getInfo()


libvirt.registerErrorHandler(lambda *_: None, None)
globals()["case_" + sys.argv[1]](*sys.argv[2:])
