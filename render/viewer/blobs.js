// What the page carries: facts as JSON, and bytes as base64, some of them deflated.

export const facts = JSON.parse(document.getElementById("facts").textContent);

/** The bytes of element `id` as a Uint8Array. */
export async function bytesOf(id) {
  const element = document.getElementById(id);
  const text = atob(element.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  element.textContent = ""; // it is read once
  if (element.dataset.coding === "identity") return bytes;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

/** A blob URL of bytes, for elements that want an address. */
export const addressOf = (bytes, type) => URL.createObjectURL(new Blob([bytes], { type }));

/** A picture of bytes, decoded. */
export async function pictureOf(bytes) {
  const picture = new Image();
  picture.src = addressOf(bytes, "image/jpeg");
  await picture.decode();
  URL.revokeObjectURL(picture.src);
  return picture;
}
