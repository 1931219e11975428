// A WebSocket of ws that knows nothing of OCPP, for host.js.
'use strict';
const {once} = require('events');
const {WebSocket, WebSocketServer} = require('ws');

class Raw {
    constructor(add, socket) {
        this.socket = socket;
        this.number = add(this);
        socket.on('message', (data, isBinary) => this.tell('message', {text: data.toString(), binary: isBinary}));
        socket.on('close', (code, reason) => this.tell('closed', {code, reason: reason.toString()}));
        socket.on('error', () => {});
    }

    get info() {
        return {number: this.number, protocol: this.socket.protocol, extensions: this.socket.extensions};
    }

    // One message, in as many frames as there are parts.
    send({parts}) {
        parts.forEach((part, index) => this.socket.send(part, {fin: index === parts.length - 1}));
    }

    async ping({data}) {
        const ponged = once(this.socket, 'pong');
        this.socket.ping(data);
        const [echo] = await ponged;
        return echo.toString();
    }

    close({code, reason}) {
        this.socket.close(code, reason);
    }

    terminate() {
        this.socket.terminate();
    }
}

// Small messages are compressed, too.
const deflate = (options) => options && {threshold: 0, ...options};

async function ws_client(add, {url, protocols, compression}) {
    const socket = new WebSocket(url, protocols, {perMessageDeflate: deflate(compression)});
    const raw = new Raw(add, socket);
    await once(socket, 'open');
    return raw.info;
}

async function ws_server(add, {compression}) {
    const server = new WebSocketServer({port: 0, host: '127.0.0.1', perMessageDeflate: deflate(compression)});
    const listening = {};
    const number = add(listening);
    server.on('connection', (socket) => listening.tell('client', new Raw(add, socket).info));
    await once(server, 'listening');
    return {number, port: server.address().port};
}

module.exports = {ws_client, ws_server};
