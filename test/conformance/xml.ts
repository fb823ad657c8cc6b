/** An element with its children in order, or its text; the gateway's XML has no attributes. */
export type XmlElement = { readonly name: string; readonly children: readonly XmlElement[]; readonly text: string };

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>";

/** Reads the gateway's kind of XML strictly: the declaration, one root, no attributes, no text beside elements. */
export function parseXml(document: string): XmlElement {
  if (!document.startsWith(DECLARATION)) throw new Error('no XML declaration');
  const source = document.slice(DECLARATION.length);
  let position = 0;

  function element(): XmlElement {
    const open = /^<(\w+)>/.exec(source.slice(position));
    const name = open?.[1];
    if (!open || name === undefined)
      throw new Error(`no element at ${position}: ${source.slice(position, position + 40)}`);
    position += open[0].length;
    const children: XmlElement[] = [];
    const start = position;
    while (source[position] === '<' && source[position + 1] !== '/') children.push(element());
    const end = source.indexOf('<', position);
    const raw = children.length > 0 ? '' : source.slice(start, end);
    position = end < 0 ? source.length : end;
    const close = `</${name}>`;
    if (!source.startsWith(close, position)) throw new Error(`no ${close} at ${position}`);
    position += close.length;
    return { name, children, text: unescaped(raw) };
  }

  const root = element();
  if (position !== source.length) throw new Error('something after the root');
  return root;
}

/** The values of the children with this name. */
export function all(parent: XmlElement, name: string): XmlElement[] {
  return parent.children.filter((child) => child.name === name);
}

/** The text of the one child with this name. */
export function one(parent: XmlElement, name: string): string {
  const [child, ...more] = all(parent, name);
  if (!child || more.length > 0) throw new Error(`${parent.name} has not just one ${name}`);
  return child.text;
}

function unescaped(text: string): string {
  if (/&(?!(amp|lt|gt|quot|apos|#\d+);)/.test(text)) throw new Error(`a bare & in ${text}`);
  return text.replace(/&(\w+|#\d+);/g, (_, name: string) =>
    name.startsWith('#') ? String.fromCodePoint(Number(name.slice(1))) : (ENTITIES[name] ?? ''),
  );
}
