package dev.lethe.template;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import java.beans.FeatureDescriptor;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELResolver;

/**
 * What a template gets of a value: items of maps and lists, characters and methods of texts, and nothing else of Java. No
 * reflection; a method that is not here is an error that names it.
 */
final class JinjaValues extends ELResolver {
    @Override
    public Object getValue(ELContext context, Object base, Object property) {
        context.setPropertyResolved(true);
        return switch (base) {
            case JinjaTags.Loop loop -> loop.get(String.valueOf(property));
            case Map<?, ?> map -> map.get(property);
            case List<?> list -> at(property, list.size()) instanceof Integer index ? list.get(index) : null;
            case String text -> at(property, text.codePointCount(0, text.length())) instanceof Integer index
                    ? Character.toString(text.codePointAt(text.offsetByCodePoints(0, index))) : null;
            case null, default -> null;
        };
    }

    /** The place from the beginning, or null for one that is not there. */
    private static Integer at(Object property, int size) {
        String digits = String.valueOf(property);
        if (!digits.matches("-?\\d{1,9}")) {
            return null;
        }
        int index = Integer.parseInt(digits);
        index = index < 0 ? index + size : index;
        return index >= 0 && index < size ? index : null;
    }

    @Override
    public Object invoke(ELContext context, Object base, Object method, Class<?>[] types, Object[] arguments) {
        context.setPropertyResolved(true);
        String name = String.valueOf(method);
        if (base instanceof Filter filter && name.equals("filter")) {
            @SuppressWarnings("unchecked")
            Map<String, Object> named = (Map<String, Object>) arguments[3];
            return filter.filter(arguments[0], (JinjavaInterpreter) arguments[1], (Object[]) arguments[2], named);
        }
        if (base instanceof ExpTest test && name.startsWith("evaluate")) {
            Object[] more = Arrays.copyOfRange(arguments, 2, arguments.length);
            return name.equals("evaluate") == test.evaluate(arguments[0], (JinjavaInterpreter) arguments[1], more);
        }
        Object result = base instanceof String text ? PythonText.call(text, name, arguments)
                : base instanceof Map<?, ?> map ? ofMap(map, name, arguments) : null;
        if (result == null && !(base instanceof Map && name.equals("get"))) {
            throw new JinjaSandbox.Unknown("method " + name + (base == null ? " of nothing"
                    : ", which chat templates may not use here or not so"));
        }
        return result;
    }

    private static Object ofMap(Map<?, ?> map, String name, Object[] arguments) {
        return switch (name) {
            case "get" -> arguments.length == 0 ? null
                    : map.get(arguments[0]) == null && arguments.length > 1 ? arguments[1] : map.get(arguments[0]);
            case "items" -> map.entrySet().stream().map(entry -> Arrays.asList(entry.getKey(), entry.getValue())).toList();
            case "keys" -> List.copyOf(map.keySet());
            case "values" -> Arrays.asList(map.values().toArray());
            default -> null;
        };
    }

    @Override
    public void setValue(ELContext context, Object base, Object property, Object value) {
        throw new JinjaSandbox.Unknown("a template may not change what it is given");
    }

    @Override
    public boolean isReadOnly(ELContext context, Object base, Object property) {
        return true;
    }

    @Override
    public Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, Object base) {
        return Collections.emptyIterator();
    }

    @Override
    public Class<?> getType(ELContext context, Object base, Object property) {
        return Object.class;
    }

    @Override
    public Class<?> getCommonPropertyType(ELContext context, Object base) {
        return Object.class;
    }
}
