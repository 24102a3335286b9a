package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The API: the public types of the exported packages are those of api.txt and no more than sixty, name no type that is not
 * exported, and are documented without a warning of doclint. Who means to change the API changes api.txt, and CHANGELOG.md.
 */
class ApiTest {
    private static final Path ROOT = Path.of(System.getProperty("lethe.root", "."));
    private static final int MOST = 60;

    @Test
    void isWhatItIsSaidToBe() throws Exception {
        List<String> types = types().stream().map(type -> type.getName().replace('$', '.')).sorted().toList();
        assertEquals(Files.readString(ROOT.resolve("src/test/resources/dev/lethe/api.txt")), String.join("\n", types) + "\n");
        long top = types().stream().filter(type -> type.getEnclosingClass() == null).count();
        assertTrue(top <= MOST, top + " types are exported");
    }

    @Test
    void namesNoTypeThatIsNotExported() throws Exception {
        Set<String> exported = ModuleTest.exported();
        Set<String> found = new TreeSet<>();
        for (Class<?> type : types()) {
            Consumer<Class<?>> check = named -> {
                Class<?> one = named.isArray() ? named.componentType() : named;
                if (one.getName().startsWith("dev.lethe") && (!exported.contains(one.getPackageName())
                        || !Modifier.isPublic(one.getModifiers()))) {
                    found.add(type.getName() + " names " + one.getName());
                }
            };
            each(type.getGenericSuperclass(), check);
            for (Type one : type.getGenericInterfaces()) {
                each(one, check);
            }
            Stream.<Executable>concat(Arrays.stream(type.getDeclaredMethods()), Arrays.stream(type.getDeclaredConstructors()))
                    .filter(ApiTest::seen).forEach(member -> {
                        Arrays.stream(member.getGenericParameterTypes()).forEach(one -> each(one, check));
                        Arrays.stream(member.getGenericExceptionTypes()).forEach(one -> each(one, check));
                        if (member instanceof Method method) {
                            each(method.getGenericReturnType(), check);
                        }
                    });
            for (Field field : type.getDeclaredFields()) {
                if ((field.getModifiers() & (Modifier.PUBLIC | Modifier.PROTECTED)) != 0) {
                    each(field.getGenericType(), check);
                }
            }
        }
        assertEquals(Set.of(), found);
    }

    private static boolean seen(Executable member) {
        return (member.getModifiers() & (Modifier.PUBLIC | Modifier.PROTECTED)) != 0 && !member.isSynthetic();
    }

    private static void each(Type type, Consumer<Class<?>> to) {
        switch (type) {
            case null -> { }
            case Class<?> one -> to.accept(one);
            case ParameterizedType made -> {
                each(made.getRawType(), to);
                Arrays.stream(made.getActualTypeArguments()).forEach(one -> each(one, to));
            }
            case GenericArrayType array -> each(array.getGenericComponentType(), to);
            case WildcardType any -> Arrays.stream(any.getUpperBounds()).forEach(one -> each(one, to));
            default -> { }
        }
    }

    @Test
    void isDocumented(@TempDir Path out) throws Exception {
        List<Path> sources = new ArrayList<>();
        Set<String> exported = ModuleTest.exported();
        for (String name : exported) {
            try (Stream<Path> files = Files.list(ROOT.resolve("src/main/java").resolve(name.replace('.', '/')))) {
                files.filter(file -> file.toString().endsWith(".java")).forEach(sources::add);
            }
        }
        JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
        DiagnosticCollector<JavaFileObject> told = new DiagnosticCollector<>();
        try (var files = javac.getStandardFileManager(told, null, null)) {
            boolean compiled = javac.getTask(null, files, told, List.of("-proc:none", "-Xmaxwarns", "1000", "-Xdoclint:all/public",
                    "-Xdoclint/package:" + String.join(",", exported), "-d", out.toString()), null,
                    files.getJavaFileObjectsFromPaths(sources)).call();
            assertTrue(compiled, told.getDiagnostics().toString());
        }
        assertEquals(List.of(), told.getDiagnostics().stream().filter(one -> one.getKind() != Diagnostic.Kind.NOTE
                && one.getCode().contains("dc.")).map(Object::toString).toList());
    }

    private static List<Class<?>> types() throws Exception {
        List<Class<?>> types = new ArrayList<>();
        for (String name : ModuleTest.exported()) {
            try (Stream<Path> files = Files.list(ROOT.resolve("src/main/java").resolve(name.replace('.', '/')))) {
                for (String type : files.map(file -> file.getFileName().toString()).filter(file -> file.endsWith(".java")
                        && !file.equals("package-info.java")).map(file -> file.replace(".java", "")).collect(Collectors.toList())) {
                    collect(Class.forName(name + "." + type, false, ApiTest.class.getClassLoader()), types);
                }
            }
        }
        return types;
    }

    private static void collect(Class<?> type, List<Class<?>> types) {
        if ((type.getModifiers() & (Modifier.PUBLIC | Modifier.PROTECTED)) != 0) {
            types.add(type);
            Arrays.stream(type.getDeclaredClasses()).forEach(one -> collect(one, types));
        }
    }
}
