// What waits to be added, kept by this browser: a reload loses no picture and adds nobody twice.
// Signing out deletes it.
const NAME = "regulars";
const STORES = ["people", "pictures"];
let opened;

function open() {
  return (opened ??= new Promise((done, failed) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => STORES.forEach((store) => asked.result.createObjectStore(store, { keyPath: "id" }));
    asked.onerror = () => failed(asked.error);
    asked.onsuccess = () => {
      asked.result.onversionchange = () => { asked.result.close(); opened = undefined; };
      done(asked.result);
    };
  }));
}

async function transact(mode, act) {
  const transaction = (await open()).transaction(STORES, mode);
  const asked = act(transaction);
  return new Promise((done, failed) => {
    transaction.oncomplete = () => done(asked?.result);
    transaction.onerror = transaction.onabort = () => failed(transaction.error);
  });
}

/** Keep somebody's data; with `pictures`, those too. */
export function keep(person, pictures) {
  return transact("readwrite", (transaction) => {
    transaction.objectStore("people").put(person);
    if (pictures) transaction.objectStore("pictures").put({ ...pictures, id: person.id });
  });
}

export const kept = () => transact("readonly", (transaction) => transaction.objectStore("people").getAll());
export const picturesOf = (id) => transact("readonly", (transaction) => transaction.objectStore("pictures").get(id));

export const drop = (id) => transact("readwrite", (transaction) => {
  STORES.forEach((store) => transaction.objectStore(store).delete(id));
});
