// Chat with the official Node SDK, from the backend and from the cache.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MODEL, QUESTION, REWORDED, ask, client, stream, textOf } from './mesh.mjs';

const TOOL = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } };

test('a question asked twice is answered once', async () => {
  const openai = client();
  const [first, second] = [await ask(openai, QUESTION), await ask(openai, QUESTION)];
  assert.deepEqual([first.status, second.status], ['MISS', 'HIT-L1']);
  assert.deepEqual(second.data.choices, first.data.choices);
  assert.deepEqual(second.data.usage, first.data.usage);
  assert.notEqual(second.data.id, first.data.id);
});

test('a streamed answer is replayed with the same text', async () => {
  const openai = client();
  const [first, second] = [await stream(openai, QUESTION), await stream(openai, QUESTION)];
  assert.deepEqual([first.status, second.status], ['MISS', 'HIT-L1']);
  assert.equal(textOf(second.chunks), textOf(first.chunks));
  assert.match(textOf(first.chunks), /capital/);
});

test('a reworded question hits by meaning and then by its own key', async () => {
  const openai = client();
  const first = await ask(openai, QUESTION);
  const [byMeaning, byKey] = [await ask(openai, REWORDED), await ask(openai, REWORDED)];
  assert.deepEqual([byMeaning.status, byKey.status], ['HIT-L2', 'HIT-L1']);
  assert.deepEqual(byMeaning.data.choices, first.data.choices);
  assert.match(byMeaning.headers.get('cache-status'), /^synapse; hit; ttl=\d+; key="[0-9a-f]{64}"; detail="L2;sim=0\.\d{3}"$/);
});

for (const status of ['MISS', 'HIT-L1']) {
  test(`the SDK accumulates parallel tool calls of a stream (${status})`, async () => {
    const openai = client();
    const body = { model: 'rich/tools', messages: [{ role: 'user', content: QUESTION }], tools: [TOOL] };
    if (status !== 'MISS') await openai.chat.completions.create(body);
    const message = await openai.chat.completions.stream(body).finalMessage();
    assert.deepEqual(message.tool_calls.map((call) => call.id), ['call_1', 'call_2', 'call_3']);
    assert.deepEqual(JSON.parse(message.tool_calls[1].function.arguments), { city: 'Oslo', unit: 'C' });
  });

  test(`the SDK accumulates everything that an answer may hold (${status})`, async () => {
    const openai = client();
    const body = { model: 'rich/everything', messages: [{ role: 'user', content: QUESTION }] };
    const whole = await openai.chat.completions.create(body);
    const options = status === 'MISS' ? { headers: { 'cache-control': 'no-cache' } } : {};
    const streamed = await openai.chat.completions.stream(body, options).finalChatCompletion();
    for (const index of [0, 1, 2]) {
      const [expected, found] = [whole.choices[index], streamed.choices[index]];
      assert.equal(found.message.content, expected.message.content);
      assert.equal(found.message.refusal ?? null, expected.message.refusal);
      assert.equal(found.finish_reason, expected.finish_reason);
      assert.deepEqual(found.logprobs?.content ?? null, expected.logprobs?.content ?? null);
      const arguments_ = (choice) => (choice.message.tool_calls ?? []).map((call) => call.function.arguments);
      assert.deepEqual(arguments_(found), arguments_(expected));
    }
  });
}

test('usage comes in one last chunk where it is asked for', async () => {
  const openai = client();
  for (const status of ['MISS', 'HIT-L1']) {
    const asked = await stream(openai, QUESTION, { model: 'rich/text', stream_options: { include_usage: true } });
    assert.equal(asked.status, status);
    assert.deepEqual(asked.chunks.at(-1).choices, []);
    assert.equal(asked.chunks.at(-1).usage.completion_tokens_details.reasoning_tokens, 13);
    assert.ok(asked.chunks.slice(0, -1).every((chunk) => chunk.usage === null));
  }
});

test('several choices, token probabilities and a schema survive the cache', async () => {
  const openai = client();
  for (const status of ['MISS', 'HIT-L1']) {
    const choices = await ask(openai, QUESTION, { model: 'rich/choices', n: 3 });
    assert.deepEqual(choices.data.choices.map((choice) => choice.index), [0, 1, 2]);
    const logprobs = await ask(openai, QUESTION, { model: 'rich/logprobs', logprobs: true, top_logprobs: 2 });
    assert.equal(logprobs.data.choices[0].logprobs.content[0].top_logprobs[1].logprob, -1.5);
    const response_format = { type: 'json_schema', json_schema: { name: 'city', schema: { type: 'object' } } };
    const schema = await ask(openai, QUESTION, { model: 'rich/schema', response_format });
    assert.equal(JSON.parse(schema.data.choices[0].message.content).population, 2102650);
    assert.deepEqual([choices.status, logprobs.status, schema.status], [status, status, status]);
  }
});

test('leaving a stream breaks nothing for the next question', async () => {
  const openai = client();
  const left = await openai.chat.completions.create({
    model: 'slow',
    messages: [{ role: 'user', content: 'Leave early.' }],
    stream: true,
  });
  for await (const chunk of left) if (chunk.choices[0]?.delta.content) break;
  assert.equal(left.controller.signal.aborted, true);
  assert.equal((await ask(openai, QUESTION)).status, 'MISS');
});

test('legacy completions are cached in both forms', async () => {
  const openai = client();
  const body = { model: MODEL, prompt: 'Once upon a time', n: 2 };
  const whole = await openai.completions.create(body);
  const { data, response } = await openai.completions.create({ ...body, stream: true }).withResponse();
  const texts = ['', ''];
  for await (const chunk of data) for (const choice of chunk.choices) texts[choice.index] += choice.text;
  assert.equal(response.headers.get('x-synapse-cache-status'), 'HIT-L1');
  assert.deepEqual(texts, whole.choices.map((choice) => choice.text));
});
