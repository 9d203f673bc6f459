"""One libtorrent session, for tests and benchmarks: options as JSON in argv[1], events as JSON lines on stdout.

Commands come as JSON lines on stdin: {"peer": [host, port]} dials a peer of every torrent. The session ends when
stdin does, so that it never outlives whoever started it; one that does not stay ends when all is complete.
"""
import json
import sys
import threading
import time

import libtorrent as lt

options = json.loads(sys.argv[1])


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


session = lt.session({
    "listen_interfaces": options.get("listen", "127.0.0.1:0"),
    "outgoing_interfaces": options.get("outgoing", ""),
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification
    | lt.alert.category_t.peer_notification | lt.alert.category_t.dht_notification,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,
    "upload_rate_limit": options.get("uploadBytesPerSecond", 0),
    "download_rate_limit": options.get("downloadBytesPerSecond", 0),
    "stop_tracker_timeout": 1,
    **options.get("settings", {}),
})
# Limits do not hold on the local network otherwise.
if options.get("uploadBytesPerSecond") or options.get("downloadBytesPerSecond"):
    session.set_peer_class_filter(lt.ip_filter())

handles = []
for torrent in options["torrents"]:
    if torrent["file"].startswith("magnet:"):
        params = lt.parse_magnet_uri(torrent["file"])
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(torrent["file"])
    params.save_path = torrent["folder"]
    params.flags = lt.torrent_flags.update_subscribe
    if torrent.get("seed"):
        params.flags |= lt.torrent_flags.seed_mode
    if torrent.get("trackers") is not None:
        params.trackers = torrent["trackers"]
    if torrent.get("downloadBytesPerSecond"):
        params.download_limit = torrent["downloadBytesPerSecond"]
    if torrent.get("peers"):
        params.peers = [tuple(peer) for peer in torrent["peers"]]
    handles.append(session.add_torrent(params))


def obey():
    for line in sys.stdin:
        command = json.loads(line)
        if "peer" in command:
            for handle in handles:
                handle.connect_peer(tuple(command["peer"]))
    ending.set()


ending = threading.Event()
stay = options.get("stay", True)
if stay:
    threading.Thread(target=obey, daemon=True).start()
say("listening", port=session.listen_port())
# With "tellPieces", once a second.
tell_at = time.monotonic() if options.get("tellPieces") else float("inf")
unfinished = {str(handle.info_hash()) for handle in handles}
while not ending.is_set() and (stay or unfinished):
    session.wait_for_alert(200)
    if time.monotonic() >= tell_at:
        tell_at += 1
        say("pieces", count=sum(handle.status().num_pieces for handle in handles))
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert):
            info_hash = str(alert.handle.info_hash())
            say("finished", infoHash=info_hash)
            unfinished.discard(info_hash)
        elif isinstance(alert, lt.peer_ban_alert):
            say("banned", host=alert.endpoint[0], port=alert.endpoint[1])
        elif isinstance(alert, lt.dht_bootstrap_alert):
            # What it asked before was asked of nobody, and its next turn comes in a quarter of an hour.
            for handle in handles:
                handle.force_dht_announce()
        elif isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
            say("error", message=alert.message())
