// The client and the server of ocpp-rpc, for host.js.
'use strict';
const {once} = require('events');
const {RPCClient, RPCServer, NOREPLY, createRPCError} = require('ocpp-rpc');

const bytes = (base64) => base64 == null ? null : Buffer.from(base64, 'base64');
const text = (reason) => reason === undefined ? '' : String(reason);

class End {
    constructor(add, rpc, answers) {
        this.rpc = rpc;
        this.number = add(this);
        for (const [method, answer] of Object.entries(answers)) {
            rpc.handle(method, ({params}) => {
                this.tell('call', {method, params});
                if (answer.crash) throw Error(answer.crash);
                if (answer.error) throw createRPCError(...answer.error);
                return answer.no_reply ? NOREPLY : answer.result;
            });
        }
        rpc.on('badMessage', ({error, response}) => this.tell('bad_message', {
            code: error.rpcErrorCode ?? null, details: error.details ?? null, response,
        }));
        rpc.on('strictValidationFailure', ({error, outbound, isCall}) => this.tell('refused', {
            code: error.rpcErrorCode, outbound, is_call: isCall,
        }));
        rpc.on('close', ({code, reason}) => this.tell('closed', {code, reason: text(reason)}));
        rpc.on('open', () => this.tell('open'));
        rpc.on('disconnect', ({code, reason}) => this.tell('disconnected', {code, reason: text(reason)}));
        rpc.on('socketError', () => {});
    }

    call({method, params, no_reply}) {
        return this.rpc.call(method, params, {noReply: no_reply, callTimeoutMs: 5000});
    }

    send({text}) {
        this.rpc.sendRaw(text);
    }

    // Its own keep-alive: ends when a pong has come.
    async ping() {
        const ponged = once(this.rpc, 'ping');
        this.rpc.reconfigure({pingIntervalMs: 20});
        const [{rtt}] = await ponged;
        this.rpc.reconfigure({pingIntervalMs: 0});
        return rtt;
    }

    close(options) {
        return this.rpc.close(options);
    }
}

class Listening {
    constructor(server) {
        this.server = server;
    }

    close(options) {
        return this.server.close(options);
    }
}

async function rpc_client(add, {url, identity, protocols, password, answers = {}, strict, options}) {
    const rpc = new RPCClient({
        endpoint: url, identity, protocols, password: bytes(password), strictMode: strict ?? false,
        pingIntervalMs: 0, reconnect: false, ...options,
    });
    const end = new End(add, rpc, answers);
    await rpc.connect();
    return {number: end.number, protocol: rpc.protocol};
}

async function rpc_server(add, {port, protocols, password, answers = {}, strict, options}) {
    const server = new RPCServer({protocols, strictMode: strict ?? false, pingIntervalMs: 0, ...options});
    const listening = new Listening(server);
    const number = add(listening);
    if (password != null) {
        server.auth((accept, reject, handshake) => {
            if (handshake.password && handshake.password.equals(bytes(password))) accept();
            else reject(401, 'who are you?');
        });
    }
    server.on('client', (client) => {
        const end = new End(add, client, answers);
        listening.tell('client', {
            number: end.number, protocol: client.protocol ?? null, identity: client.identity,
            endpoint: client.handshake.endpoint,
            password: client.handshake.password?.toString('base64') ?? null,
        });
    });
    const http = await server.listen(port ?? 0, '127.0.0.1');
    return {number, port: http.address().port};
}

module.exports = {rpc_client, rpc_server};
