"""One libtorrent DHT node, for tests: settings as JSON in argv[1], events as JSON lines on stdout.

Commands come as JSON lines on stdin: {"node": [host, port]}, {"announce": hash} (its own port, as of a magnet's
torrent, for the binding of dht_announce cannot be called), {"peers": hash}, {"putImmutable": text}, {"getImmutable": hash}. The session ends when stdin does.
"""
import json
import sys
import threading

import libtorrent as lt

options = json.loads(sys.argv[1])


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


session = lt.session({
    "listen_interfaces": options["listen"],
    "alert_mask": lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification
    | lt.alert.category_t.status_notification,
    "enable_dht": True,
    "dht_bootstrap_nodes": "",
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    # Everybody here is on loopback or in one network.
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
    "dht_enforce_node_id": False,
    "dht_ignore_dark_internet": False,
    "dht_block_timeout": 1,
    "dht_block_ratelimit": 1000,
})


def digest(text):
    return lt.sha1_hash(bytes.fromhex(text))


handles = {}


def announce(text):
    if text not in handles:
        params = lt.parse_magnet_uri("magnet:?xt=urn:btih:" + text)
        params.save_path = options["folder"]
        handles[text] = session.add_torrent(params)
    handles[text].force_dht_announce()


def obey():
    for line in sys.stdin:
        command = json.loads(line)
        if "node" in command:
            session.add_dht_node(tuple(command["node"]))
        elif "announce" in command:
            announce(command["announce"])
        elif "peers" in command:
            session.dht_get_peers(digest(command["peers"]))
        elif "putImmutable" in command:
            say("put", hash=str(session.dht_put_immutable_item(command["putImmutable"])))
        elif "getImmutable" in command:
            session.dht_get_immutable_item(digest(command["getImmutable"]))
    ending.set()


ending = threading.Event()
threading.Thread(target=obey, daemon=True).start()
listening = False
while not ending.is_set():
    session.wait_for_alert(100)
    if not listening and session.is_dht_running() and session.listen_port() != 0:
        listening = True
        say("listening", port=session.listen_port())
    for alert in session.pop_alerts():
        if isinstance(alert, lt.dht_get_peers_reply_alert):
            say("peers", hash=str(alert.info_hash), peers=[list(peer) for peer in alert.peers()])
        elif isinstance(alert, lt.dht_immutable_item_alert):
            say("item", hash=str(alert.target), value=str(alert.item))
        elif isinstance(alert, lt.dht_put_alert):
            say("stored", nodes=alert.num_success)
        elif isinstance(alert, lt.dht_announce_alert):
            say("announced", hash=str(alert.info_hash), host=alert.ip, port=alert.port)
