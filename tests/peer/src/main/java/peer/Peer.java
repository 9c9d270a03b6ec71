package peer;

import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti18RequestValidator;
import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti18ResponseValidator;
import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti38RequestValidator;
import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti38ResponseValidator;
import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti39RequestValidator;
import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti39ResponseValidator;
import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti41RequestValidator;
import static org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators.iti43RequestValidator;

import jakarta.activation.DataHandler;
import jakarta.mail.util.ByteArrayDataSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import javax.xml.namespace.QName;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.camel.Exchange;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.cxf.BusFactory;
import org.apache.cxf.headers.Header;
import org.apache.cxf.transport.servlet.CXFNonSpringServlet;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Association;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.AvailabilityStatus;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Document;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.DocumentEntry;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Folder;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.JsonUtils;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.SubmissionSet;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.XDSMetaClass;
import org.openehealth.ipf.commons.ihe.xds.core.requests.ProvideAndRegisterDocumentSet;
import org.openehealth.ipf.commons.ihe.xds.core.requests.QueryRegistry;
import org.openehealth.ipf.commons.ihe.xds.core.requests.RetrieveDocumentSet;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.FindDocumentsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.FindFoldersQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.FindSubmissionSetsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.GetAssociationsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.GetDocumentsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.GetFoldersQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.GetSubmissionSetAndContentsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.PatientIdBasedStoredQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.QueryReturnType;
import org.openehealth.ipf.commons.ihe.xds.core.responses.QueryResponse;
import org.openehealth.ipf.commons.ihe.xds.core.responses.Response;
import org.openehealth.ipf.commons.ihe.xds.core.responses.RetrievedDocument;
import org.openehealth.ipf.commons.ihe.xds.core.responses.RetrievedDocumentSet;
import org.openehealth.ipf.commons.ihe.xds.core.responses.Status;
import org.openehealth.ipf.platform.camel.ihe.ws.AbstractWsEndpoint;

/**
 * ITI-41, ITI-18 and ITI-43 endpoints whose SOAP, WS-Addressing, MTOM, ebXML reading and writing and request validation
 * are IPF's, the Open eHealth Integration Platform's. What IPF understood of a publication is kept in memory, given
 * back to queries by patient or by id, and written as IPF's JSON into DIRECTORY for the test to compare. No registry
 * rule is implemented here: this is a second reading of the wire, not a second registry.
 * At iti38 and iti39 it answers as the Responding Gateway of community HOME. At initiate18 and initiate43 it is an
 * Initiating Gateway, which asks the one at RESPONDING (host:port/path) by ITI-38 and ITI-39, in the name of who asked it,
 * and hands its answers back.
 * usage: Peer PORT DIRECTORY REPOSITORY_OID HOME [RESPONDING]
 */
public final class Peer extends RouteBuilder {
    private final Path directory;
    private final String repository;
    private final String home;
    private final String responding;
    private final List<SubmissionSet> submissionSets = new CopyOnWriteArrayList<>();
    private final List<Folder> folders = new CopyOnWriteArrayList<>();
    private final List<Association> associations = new CopyOnWriteArrayList<>();
    private final List<Document> documents = new CopyOnWriteArrayList<>();

    private Peer(Path directory, String repository, String home, String responding) {
        this.directory = directory;
        this.repository = repository;
        this.home = home;
        this.responding = responding;
    }

    @Override
    public void configure() {
        from("xds-iti41:iti41?audit=false").process(iti41RequestValidator()).process(this::provide);
        from("xds-iti18:iti18?audit=false").process(iti18RequestValidator()).process(this::query)
                .process(iti18ResponseValidator());
        from("xds-iti43:iti43?audit=false").process(iti43RequestValidator()).process(this::retrieve);
        from("xca-iti38:iti38?audit=false").process(iti38RequestValidator()).process(this::query)
                .process(this::sayHome).process(iti38ResponseValidator());
        from("xca-iti39:iti39?audit=false").process(iti39RequestValidator()).process(this::retrieve)
                .process(iti39ResponseValidator());
        if (responding == null) {
            return;
        }
        from("xds-iti18:initiate18?audit=false").process(iti38RequestValidator()).process(Peer::sayWhoAsks)
                .to("xca-iti38://" + responding + "?audit=false").process(iti38ResponseValidator());
        from("xds-iti43:initiate43?audit=false").process(iti39RequestValidator()).process(Peer::sayWhoAsks)
                .to("xca-iti39://" + responding + "?audit=false").process(iti39ResponseValidator());
    }

    /** The assertion that came goes on (XUA): who asks the Initiating Gateway asks the Responding Gateway. */
    private static void sayWhoAsks(Exchange exchange) {
        var came = exchange.getIn().getHeader(AbstractWsEndpoint.INCOMING_SOAP_HEADERS, Map.class);
        var goes = new HashMap<QName, Object>();
        if (came != null) {
            came.forEach((name, header) -> {
                if ("Security".equals(((QName) name).getLocalPart())) {
                    ((Header) header).setDirection(Header.Direction.DIRECTION_OUT);
                    goes.put((QName) name, header);
                }
            });
        }
        exchange.getIn().setHeader(AbstractWsEndpoint.OUTGOING_SOAP_HEADERS, goes);
    }

    private void provide(Exchange exchange) throws Exception {
        var set = exchange.getIn().getMandatoryBody(ProvideAndRegisterDocumentSet.class);
        for (var document : set.getDocuments()) {
            var bytes = document.getDataHandler().getInputStream().readAllBytes();
            document.setDataHandler(new DataHandler(
                    new ByteArrayDataSource(bytes, document.getDocumentEntry().getMimeType())));
            // The repository's duty (ITI TF-2 3.41.4.1.3): say where it is, how long it is and its hash.
            var entry = document.getDocumentEntry();
            entry.setRepositoryUniqueId(repository);
            entry.setSize((long) bytes.length);
            entry.setHash(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(bytes)));
            entry.setAvailabilityStatus(AvailabilityStatus.APPROVED);
        }
        set.getSubmissionSet().setAvailabilityStatus(AvailabilityStatus.APPROVED);
        set.getFolders().forEach(folder -> folder.setAvailabilityStatus(AvailabilityStatus.APPROVED));
        set.getAssociations().forEach(one -> one.setAvailabilityStatus(AvailabilityStatus.APPROVED));
        var json = JsonUtils.createObjectMapper();
        for (var document : set.getDocuments()) {
            json.writeValue(directory.resolve(document.getDocumentEntry().getUniqueId() + ".json").toFile(),
                    document.getDocumentEntry());
        }
        json.writeValue(directory.resolve(set.getSubmissionSet().getUniqueId() + ".json").toFile(),
                set.getSubmissionSet());
        documents.addAll(set.getDocuments());
        folders.addAll(set.getFolders());
        associations.addAll(set.getAssociations());
        submissionSets.add(set.getSubmissionSet());
        exchange.getMessage().setBody(new Response(Status.SUCCESS));
    }

    private void query(Exchange exchange) throws Exception {
        var request = exchange.getIn().getMandatoryBody(QueryRegistry.class);
        var query = request.getQuery();
        var answer = new QueryResponse(Status.SUCCESS);
        var entries = documents.stream().map(Document::getDocumentEntry);
        if (query instanceof FindDocumentsQuery find) {
            answer.getDocumentEntries().addAll(entries.filter(patient(find)).toList());
        } else if (query instanceof FindSubmissionSetsQuery find) {
            answer.getSubmissionSets().addAll(submissionSets.stream().filter(patient(find)).toList());
        } else if (query instanceof FindFoldersQuery find) {
            answer.getFolders().addAll(folders.stream().filter(patient(find)).toList());
        } else if (query instanceof GetDocumentsQuery get) {
            answer.getDocumentEntries().addAll(entries.filter(named(get.getUuids(), get.getUniqueIds())).toList());
        } else if (query instanceof GetFoldersQuery get) {
            answer.getFolders().addAll(folders.stream().filter(named(get.getUuids(), get.getUniqueIds())).toList());
        } else if (query instanceof GetSubmissionSetAndContentsQuery get) {
            submissionSets.stream().filter(named(list(get.getUuid()), list(get.getUniqueId()))).forEach(set -> {
                var edges = associations.stream()
                        .filter(edge -> edge.getSourceUuid().equals(set.getEntryUuid())).toList();
                var targets = edges.stream().map(Association::getTargetUuid).toList();
                answer.getSubmissionSets().add(set);
                answer.getAssociations().addAll(edges);
                answer.getDocumentEntries().addAll(documents.stream().map(Document::getDocumentEntry)
                        .filter(named(targets, null)).toList());
                answer.getFolders().addAll(folders.stream().filter(named(targets, null)).toList());
            });
        } else if (query instanceof GetAssociationsQuery get) {
            answer.getAssociations().addAll(associations.stream().filter(edge ->
                    get.getUuids().contains(edge.getSourceUuid())
                            || get.getUuids().contains(edge.getTargetUuid())).toList());
        }
        if (request.getReturnType() == QueryReturnType.OBJECT_REF) {
            throw new IllegalArgumentException("this peer answers LeafClass queries only");
        }
        exchange.getMessage().setBody(answer);
    }

    /** What leaves the community says where it is from (ITI TF-2 3.38.4.1.3); Associations of IPF cannot. */
    private void sayHome(Exchange exchange) throws Exception {
        var answer = exchange.getMessage().getMandatoryBody(QueryResponse.class);
        answer.getDocumentEntries().forEach(one -> one.setHomeCommunityId(home));
        answer.getSubmissionSets().forEach(one -> one.setHomeCommunityId(home));
        answer.getFolders().forEach(one -> one.setHomeCommunityId(home));
    }

    private void retrieve(Exchange exchange) throws Exception {
        var request = exchange.getIn().getMandatoryBody(RetrieveDocumentSet.class);
        var answer = new RetrievedDocumentSet(Status.SUCCESS);
        for (var wanted : request.getDocuments()) {
            documents.stream()
                    .filter(one -> one.getDocumentEntry().getUniqueId().equals(wanted.getDocumentUniqueId()))
                    .forEach(one -> answer.getDocuments().add(new RetrievedDocument(one.getDataHandler(), wanted, null,
                            null, one.getDocumentEntry().getMimeType())));
        }
        exchange.getMessage().setBody(answer);
    }

    private static List<String> list(String value) {
        return value == null ? null : List.of(value);
    }

    private static Predicate<XDSMetaClass> patient(PatientIdBasedStoredQuery query) {
        return object -> object.getPatientId().equals(query.getPatientId());
    }

    private static Predicate<XDSMetaClass> named(List<String> uuids, List<String> uniqueIds) {
        return object -> uuids != null && uuids.contains(object.getEntryUuid())
                || uniqueIds != null && uniqueIds.contains(object.getUniqueId());
    }

    public static void main(String[] arguments) throws Exception {
        var bus = BusFactory.getDefaultBus();
        var servlet = new CXFNonSpringServlet();
        servlet.setBus(bus);
        var handler = new ServletContextHandler();
        handler.setContextPath("/");
        handler.addServlet(new ServletHolder(servlet), "/*");
        var server = new Server();
        var connector = new org.eclipse.jetty.server.ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(Integer.parseInt(arguments[0]));
        server.addConnector(connector);
        server.setHandler(handler);
        var directory = Files.createDirectories(Path.of(arguments[1]));
        var camel = new DefaultCamelContext();
        camel.addRoutes(new Peer(directory, arguments[2], arguments[3], arguments.length > 4 ? arguments[4] : null));
        camel.start();
        server.start();
        server.join();
    }
}
