// One SDK with the address of the proxy and a placeholder as its key, created once. Each line of
// the input is a request in JSON; each line of the output is its answer, or its error.
import readline from "node:readline";

const [, , sdk, url] = process.argv;
const settings = { apiKey: "placeholder", maxRetries: 0 };

async function openai() {
  const { default: OpenAI } = await import("openai");
  const client = new OpenAI({ ...settings, baseURL: `${url}/openai/v1` });
  return async ({ model, question }) => {
    const messages = [{ role: "user", content: question }];
    const events = await client.chat.completions.create({ model, messages, stream: true });
    let text = "";
    for await (const event of events) {
      text += event.choices[0]?.delta?.content ?? "";
    }
    return text;
  };
}

async function anthropic() {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  const client = new Anthropic({ ...settings, baseURL: `${url}/anthropic` });
  return async ({ model, question }) => {
    const messages = [{ role: "user", content: question }];
    const stream = client.messages.stream({ model, max_tokens: 64, messages });
    return await stream.finalText();
  };
}

const ask = await { openai, anthropic }[sdk]();
console.log("{}");
for await (const line of readline.createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ answer: await ask(JSON.parse(line)) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
