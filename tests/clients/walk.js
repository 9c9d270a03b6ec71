// Drives the gateway with fhir-kit-client, a FHIR client by others. Prints one JSON object with what it saw; the
// calling test judges. usage: node walk.js BASE BUNDLE_FILE PATIENT_TOKEN
const fs = require('fs');
const Client = require('fhir-kit-client');

async function walk(base, bundleFile, patient) {
  const client = new Client({ baseUrl: base });
  const seen = {};

  const capability = await client.capabilityStatement();
  seen.fhirVersion = capability.fhirVersion;

  const answer = await client.transaction({ body: JSON.parse(fs.readFileSync(bundleFile, 'utf8')) });
  seen.statuses = answer.entry.map((entry) => entry.response.status.slice(0, 3));
  seen.locations = answer.entry.map((entry) => entry.response.location);

  const searchParams = { 'patient.identifier': patient, status: 'current', _count: '2' };
  let page = await client.search({ resourceType: 'DocumentReference', searchParams });
  seen.paged = [];
  seen.pages = 0;
  while (page) {
    seen.pages += 1;
    seen.paged.push(...(page.entry || []).filter((e) => e.search.mode === 'match').map((e) => e.resource.id));
    page = await client.nextPage({ bundle: page });
  }

  const posted = await client.search({
    resourceType: 'DocumentReference',
    searchParams: { 'patient.identifier': patient, status: 'current' },
    options: { postSearch: true },
  });
  seen.posted = (posted.entry || []).filter((e) => e.search.mode === 'match').map((e) => e.resource.id);

  const lists = await client.search({
    resourceType: 'List',
    searchParams: { 'patient.identifier': patient, status: 'current', code: 'submissionset' },
  });
  seen.lists = lists.entry.map((entry) => entry.resource.id);

  const document = await client.read({ resourceType: 'DocumentReference', id: seen.paged[0] });
  seen.read = document.id;
  const list = await client.read({ resourceType: 'List', id: seen.lists[0] });
  seen.readList = list.id;

  // What was published above stays as it is: the test looks at its locations.
  const old = seen.paged.find((id) => !seen.locations.join().includes(id));
  const changed = await client.read({ resourceType: 'DocumentReference', id: old });
  const updated = await client.update({
    resourceType: 'DocumentReference', id: changed.id, body: { ...changed, description: 'Updated by a client' },
  });
  seen.updated = updated.description;
  const patched = await client.patch({
    resourceType: 'DocumentReference',
    id: changed.id,
    JSONPatch: [{ op: 'replace', path: '/status', value: 'superseded' }],
  });
  seen.patched = patched.status;
  try {
    await client.delete({ resourceType: 'DocumentReference', id: changed.id });
  } catch (error) {
    seen.deleted = error.response.status;
  }

  try {
    await client.read({ resourceType: 'DocumentReference', id: 'no-such-document' });
  } catch (error) {
    seen.unknown = { status: error.response.status, outcome: error.response.data.resourceType };
  }
  return seen;
}

walk(...process.argv.slice(2)).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    console.error(error.response ? JSON.stringify(error.response.data) : error);
    process.exit(1);
  },
);
