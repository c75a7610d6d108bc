// A telephone in a browser, for tests: JsSIP under Node.js with a WebSocket of its own and no media. It does what its
// standard input says, a line each, and prints what happens, a line of JSON each.
//
//   node phone.js URL USER PASSWORD DOMAIN
//   register | unregister | options NUMBER | message NUMBER | call NUMBER | ping | quit
'use strict';

const readline = require('node:readline');
const WebSocket = require('ws');

const [url, user, password, domain] = process.argv.slice(2);

function tell(what, more = {}) {
  process.stdout.write(`${JSON.stringify({ what, ...more })}\n`);
}

/** The one socket that is open now. */
let socket;

/** What a browser offers to JsSIP. */
globalThis.window = globalThis;
globalThis.WebSocket = class extends WebSocket {
  constructor(...rest) {
    super(...rest);
    socket = this;
    this.on('ping', () => tell('pinged'));
    this.on('message', (data) => data.toString() === '\r\n' && tell('pong'));
  }
};

/** An offer as browsers write it: media over DTLS, which needs a gateway. */
const OFFER = [
  'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 8', 'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=sendrecv', 'a=rtcp-mux',
  'a=setup:actpass', 'a=ice-ufrag:abcd', 'a=ice-pwd:abcdefghijklmnopqrstuvwx',
  `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`,
  'a=rtpmap:111 opus/48000/2', 'a=rtpmap:8 PCMA/8000', '',
].join('\r\n');

globalThis.RTCSessionDescription = class {
  constructor(description) {
    Object.assign(this, description);
  }
};
globalThis.RTCPeerConnection = class {
  iceGatheringState = 'complete';
  iceConnectionState = 'new';
  signalingState = 'stable';
  addEventListener() {}
  removeEventListener() {}
  getSenders() { return []; }
  addTrack() {}
  close() { this.signalingState = 'closed'; }
  async createOffer() { return { type: 'offer', sdp: OFFER }; }
  async setLocalDescription(description) { this.localDescription = description; }
  async setRemoteDescription() {}
};

const JsSIP = require('jssip');

const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri: `sip:${user}@${domain}`,
  password,
  register: false,
  register_expires: 300,
  session_timers: false,
});

ua.on('connected', () => tell('connected'));
ua.on('disconnected', ({ code }) => tell('disconnected', { code }));
ua.on('registered', ({ response }) => tell('registered', { status: response.status_code, contact: response.getHeader('Contact') }));
ua.on('unregistered', () => tell('unregistered'));
ua.on('registrationFailed', ({ cause }) => tell('registration failed', { cause }));
ua.on('newRTCSession', ({ originator, session, request }) => {
  if (originator === 'remote') {
    tell('called', { via: request.getHeader('Via'), contact: request.getHeader('Contact') });
    session.terminate({ status_code: 486 });
  }
});

/** Handlers that tell how a request ended. */
function ending(what) {
  // Sessions call it a message, everything else a response.
  const told = ({ response, message, cause }) => tell(what, { status: (response ?? message)?.status_code, cause });
  return { succeeded: told, failed: told, progress: ({ response }) => tell('progress', { status: response?.status_code }) };
}

const commands = {
  register: () => ua.register(),
  unregister: () => ua.unregister(),
  options: (number) => ua.sendOptions(`sip:${number}@${domain}`, null, { eventHandlers: ending('options') }),
  message: (number) => ua.sendMessage(`sip:${number}@${domain}`, 'hello', { eventHandlers: ending('message') }),
  call: (number) => ua.call(`sip:${number}@${domain}`, {
    mediaConstraints: { audio: false, video: false },
    mediaStream: null,
    eventHandlers: ending('call'),
  }),
  ping: () => socket.send('\r\n\r\n'),
  quit: () => { ua.stop(); setTimeout(() => process.exit(0), 100); },
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, ...rest] = line.split(' ');
  commands[word](...rest);
}).on('close', () => process.exit(0));

ua.start();
