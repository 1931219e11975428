// Does commands that come as JSON lines, side by side, and reports what the peers of this process see.
//
// In:  {"id": 1, "do": "rpc_client", ...}          makes a peer (the kinds are in rpc.js and ws.js)
//      {"id": 2, "to": 1, "do": "call", ...}       calls a method of peer 1
// Out: {"id": 2, "result": ...} or {"id": 2, "error": {...}}
//      {"from": 1, "event": "closed", ...}
'use strict';
const readline = require('readline');
const kinds = {...require('./rpc.js'), ...require('./ws.js')};

const peers = new Map();
const write = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function add(peer) {
    const number = peers.size + 1;
    peers.set(number, peer);
    peer.tell = (event, details) => write({from: number, event, ...details});
    return number;
}

async function run({id, to, do: name, ...args}) {
    try {
        const result = to === undefined ? await kinds[name](add, args) : await peers.get(to)[name](args);
        write({id, result: result ?? null});
    } catch (error) {
        write({id, error: {
            name: error.constructor.name,
            code: error.rpcErrorCode ?? error.code ?? null,
            message: error.message,
            details: error.details ?? null,
        }});
    }
}

readline.createInterface({input: process.stdin})
    .on('line', (line) => run(JSON.parse(line)))
    .on('close', () => process.exit());
