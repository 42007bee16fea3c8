// Errors, embeddings and models as the official Node SDK sees them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { QUESTION, ask, client, stream } from './mesh.mjs';

test('a wrong key is an authentication error', async () => {
  await assert.rejects(ask(client({ apiKey: 'sk-wrong' }), QUESTION), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, 'invalid_api_key');
    assert.ok(error.requestID);
    return true;
  });
});

test('a wrong request names the member', async () => {
  await assert.rejects(ask(client(), QUESTION, { temperature: 'hot' }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.type, error.param], ['invalid_request_error', 'temperature']);
    return true;
  });
});

for (const [status, kind] of [
  [400, OpenAI.BadRequestError],
  [404, OpenAI.NotFoundError],
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
  [503, OpenAI.InternalServerError],
]) {
  test(`a backend's ${status} comes through as it was told`, async () => {
    await assert.rejects(ask(client(), QUESTION, { model: `fail/${status}` }), (error) => {
      assert.ok(error instanceof kind);
      assert.equal(error.code, 'their_code');
      assert.equal(error.headers.get('retry-after'), '7');
      return true;
    });
  });
}

test('a late error ends the stream with an exception', async () => {
  await assert.rejects(stream(client(), QUESTION, { model: 'late-error' }), /Overheated/);
});

test('only-if-cached is refused on a miss', async () => {
  const refused = ask(client(), QUESTION, {}, { headers: { 'cache-control': 'only-if-cached' } });
  await assert.rejects(refused, (error) => error.status === 504 && error.code === 'only_if_cached_miss');
});

test('embeddings come as numbers in their order', async () => {
  const openai = client();
  const input = ['A cat sat on the mat.', 'Stock prices fell sharply.'];
  const decoded = await openai.embeddings.create({ model: 'all-MiniLM-L6-v2', input });
  const plain = await openai.embeddings.create({ model: 'all-MiniLM-L6-v2', input, encoding_format: 'float' });
  assert.deepEqual(decoded.data.map((item) => item.index), [0, 1]);
  for (const [index, item] of decoded.data.entries()) {
    assert.equal(item.embedding.length, 384);
    item.embedding.forEach((value, at) => assert.ok(Math.abs(value - plain.data[index].embedding[at]) < 1e-6));
  }
});

test('models are listed and found, slashes included', async () => {
  const openai = client();
  const names = [];
  for await (const model of openai.models.list()) names.push(model.id);
  assert.ok(names.includes('echo') && names.includes('rich/tools') && names.includes('all-MiniLM-L6-v2'));
  assert.equal((await openai.models.retrieve('rich/tools')).id, 'rich/tools');
  await assert.rejects(openai.models.retrieve('nobody/knows-it'), OpenAI.NotFoundError);
});
