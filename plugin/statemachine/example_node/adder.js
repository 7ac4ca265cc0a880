#!/usr/bin/env node
// A state machine of phxpaxos in JavaScript: it adds up numbers, for each
// group its own sum, and keeps the sums in a file. docs/statemachine-plugin.md
// tells what each part has to do. "npm install" in this directory fetches what
// it needs. It is started by its host, with the directory of its data:
//
//	statemachine.Load("./adder.js", statemachine.Options{Args: []string{"data"}})
'use strict';

const fs = require('fs');
const path = require('path');

if (process.env.PHXPAXOS_STATEMACHINE !== '7c1f4d0a9be2') {
  console.error('this program is a state machine of phxpaxos: it is started by the program that uses it');
  process.exit(1);
}
// The end of the input is the end of the host, or its wish.
process.stdin.on('end', () => process.exit(0)).resume();

const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const proto = path.join(__dirname, '..', 'statemachinepb', 'statemachine.proto');
const service = grpc.loadPackageDefinition(loader.loadSync(proto, {
  keepCase: true, longs: String, defaults: true, arrays: true,
})).phxpaxos.statemachine.v1.StateMachine.service;

const checkpointEvery = 10n; // instances
const file = path.join(process.argv[2], 'sums.json');
const log = (level, msg, fields) => console.error(JSON.stringify({level, msg, ...fields}));

// groups: index -> {sum, next}; everything below instance next is in sum.
// saved: the same as it is on disk.
let groups = {};
let saved = {};
if (fs.existsSync(file)) {
  groups = JSON.parse(fs.readFileSync(file));
  saved = JSON.parse(fs.readFileSync(file));
}

// save replaces the file, all or nothing, and only then moves the checkpoint.
function save() {
  const text = JSON.stringify(groups);
  const fd = fs.openSync(file + '.new', 'w');
  fs.writeSync(fd, text);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  fs.renameSync(file + '.new', file);
  const dir = fs.openSync(path.dirname(file), 'r');
  fs.fsyncSync(dir);
  fs.closeSync(dir);
  saved = JSON.parse(text);
}

function checkpoint(group) {
  const s = saved[group];
  return s ? {any: true, instance: String(BigInt(s.next) - 1n)} : {any: false};
}

function execute({group, instance, last, entries}) {
  const state = groups[group] ??= {sum: '0', next: '0'};
  const results = [];
  for (const e of entries) {
    const text = e.value.toString();
    if (!/^-?\d{1,30}$/.test(text)) { // a refusal is a result, equal on all nodes
      results.push(Buffer.from('refused: not a number'));
      continue;
    }
    state.sum = String(BigInt(state.sum) + BigInt(text));
    results.push(Buffer.from(state.sum));
  }
  if (last) within.delete(group); else within.add(group);
  if (last) {
    state.next = String(BigInt(instance) + 1n);
    if (BigInt(state.next) >= BigInt(saved[group]?.next ?? 0) + checkpointEvery && whole()) save();
  }
  return {results, failed: false, checkpoint: checkpoint(group)};
}

// whole: no group is within an instance, so all sums may be saved. This process
// answers one request at a time, so only one that was not the last of its
// instance leaves a group so.
const within = new Set();
const whole = () => within.size === 0;

const server = new grpc.Server({'grpc.max_receive_message_length': 128 << 20, 'grpc.max_send_message_length': 128 << 20});
server.addService(service, {
  Describe: (call, done) => done(null, {id: 12, checkpoints: true, queries: true}),
  Checkpoints: (call, done) => done(null, {checkpoints: call.request.groups.map(checkpoint)}),
  Execute: (call) => {
    call.on('data', (request) => call.write(execute(request)));
    call.on('end', () => call.end());
    call.on('error', () => {}); // the host is gone
  },
  Query: (call, done) => {
    if (call.request.request.toString() === 'pid') return done(null, {response: Buffer.from(String(process.pid))});
    done(null, {response: Buffer.from(groups[call.request.group]?.sum ?? '0')});
  },
});

const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR, 'adder.sock');
server.bindAsync('unix:' + socket, grpc.ServerCredentials.createInsecure(), (err) => {
  if (err) {
    console.error(err.message);
    process.exit(1);
  }
  log('INFO', 'adder is ready', {file});
  console.log('1|1|unix|' + socket + '|grpc');
});
