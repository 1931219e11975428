// One end in a process of its own, with the npm package ocpp-rpc: hears the commands of ../end.py.
'use strict';
const readline = require('readline');
const {performance} = require('perf_hooks');
const {RPCClient, RPCServer} = require('ocpp-rpc');

const messages = JSON.parse(process.env.BENCH_MESSAGES);
const OPENING_AT_ONCE = 64;
let clients = [];

function cpu() {
    const {user, system} = process.cpuUsage();
    return user + system;
}

// Times in microseconds but `seconds`.
function told(latencies, milliseconds, used) {
    latencies = Float64Array.from(latencies).sort();
    const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] * 1000;
    return {calls: latencies.length, seconds: milliseconds / 1000, cpu: used, p50: at(0.5), p99: at(0.99)};
}

const commands = {
    async listen({in_flight}) {
        const protocols = [...new Set(Object.values(messages).map(({protocol}) => protocol))];
        const server = new RPCServer({protocols, strictMode: true, callConcurrency: in_flight, pingIntervalMs: 0});
        server.on('client', (client) => {
            for (const {method, result} of Object.values(messages)) client.handle(method, () => result);
        });
        const http = await server.listen(0, '127.0.0.1');
        return {port: http.address().port};
    },

    async cpu({collect}) {
        if (collect) global.gc();
        return {cpu: cpu(), pid: process.pid};
    },

    async open({port, protocol, connections, in_flight}) {
        const start = performance.now();
        const first = clients.length;
        let next = first;
        const opening = async () => {
            while (next < first + connections) {
                const client = new RPCClient({
                    endpoint: `ws://127.0.0.1:${port}`, identity: `CP${next++}`, protocols: [protocol], strictMode: true,
                    callConcurrency: in_flight, pingIntervalMs: 0, reconnect: false,
                });
                await client.connect();
                clients.push(client);
            }
        };
        await Promise.all(Array.from({length: OPENING_AT_ONCE}, opening));
        return {seconds: (performance.now() - start) / 1000};
    },

    async run({kind, workers, seconds}) {
        const {method, params} = messages[kind];
        const latencies = [];
        const before = cpu();
        const start = performance.now();
        const end = start + seconds * 1000;
        const work = async (worker) => {
            let at = worker % clients.length;
            let now = performance.now();
            do { // each at least once, however late its turn comes
                const begun = now;
                await clients[at].call(method, params);
                now = performance.now();
                latencies.push(now - begun);
                at = (at + workers) % clients.length;
            } while (now < end);
        };
        await Promise.all(Array.from({length: workers}, (_, worker) => work(worker)));
        return told(latencies, performance.now() - start, cpu() - before);
    },

    async each({kind}) {
        const {method, params} = messages[kind];
        const latencies = [];
        const before = cpu();
        const start = performance.now();
        for (const client of clients) {
            const begun = performance.now();
            await client.call(method, params);
            latencies.push(performance.now() - begun);
        }
        return told(latencies, performance.now() - start, cpu() - before);
    },

    async close() {
        await Promise.all(clients.map((client) => client.close()));
        clients = [];
        return {};
    },
};

readline.createInterface({input: process.stdin})
    .on('line', async (line) => {
        const command = JSON.parse(line);
        process.stdout.write(JSON.stringify(await commands[command.do](command)) + '\n');
    })
    .on('close', () => process.exit());
