package validator;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.parser.IParser;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/**
 * Validates FHIR R4 resources, JSON or XML, without any network.
 * validator [--profiles DIRECTORY]... FILE...
 * The StructureDefinitions, ValueSets and CodeSystems (*.json) of the directories are known to the validation; a resource
 * is checked against what its meta.profile names. Prints one line per finding, "FILE severity location message"; ends
 * with 1 when there is an error, with 2 when it could not work.
 */
public final class Validator {
    private static final FhirContext CONTEXT = FhirContext.forR4();

    private static void profilesRead(Path directory, PrePopulatedValidationSupport profiles) throws IOException {
        IParser parser = CONTEXT.newJsonParser();
        try (Stream<Path> entries = Files.list(directory)) {
            for (Path file : entries.sorted().toList()) {
                String name = file.getFileName().toString();
                if (!name.endsWith(".json") || !name.matches("(StructureDefinition|ValueSet|CodeSystem)-.*"))
                    continue;
                profiles.addResource(parser.parseResource(Files.readString(file)));
            }
        }
    }

    private static FhirValidator validatorMake(PrePopulatedValidationSupport profiles) {
        ValidationSupportChain chain = new ValidationSupportChain(
                new DefaultProfileValidationSupport(CONTEXT), profiles,
                new CommonCodeSystemsTerminologyService(CONTEXT),
                new InMemoryTerminologyServerValidationSupport(CONTEXT),
                new SnapshotGeneratingValidationSupport(CONTEXT));
        FhirInstanceValidator instances = new FhirInstanceValidator(chain);
        instances.setErrorForUnknownProfiles(true);
        instances.setAnyExtensionsAllowed(true);
        return CONTEXT.newValidator().registerValidatorModule(instances);
    }

    private static boolean validate(FhirValidator validator, String file) throws IOException {
        List<SingleValidationMessage> messages =
                validator.validateWithResult(Files.readString(Path.of(file), StandardCharsets.UTF_8)).getMessages();
        boolean valid = true;

        for (SingleValidationMessage message : messages) {
            System.out.println(file + " " + message.getSeverity().getCode() + " " + message.getLocationString() + " "
                    + message.getMessage().replace('\n', ' '));
            valid = valid && message.getSeverity().compareTo(ResultSeverityEnum.ERROR) < 0;
        }
        return valid;
    }

    public static void main(String[] arguments) {
        PrePopulatedValidationSupport profiles = new PrePopulatedValidationSupport(CONTEXT);
        boolean valid = true;
        int next = 0;

        try {
            for (; next + 1 < arguments.length && arguments[next].equals("--profiles"); next += 2)
                profilesRead(Path.of(arguments[next + 1]), profiles);
            FhirValidator validator = validatorMake(profiles);
            for (; next < arguments.length; next++)
                valid = validate(validator, arguments[next]) && valid;
        } catch (IOException | RuntimeException problem) {
            System.err.println(problem);
            System.exit(2);
        }
        System.exit(valid ? 0 : 1);
    }
}
