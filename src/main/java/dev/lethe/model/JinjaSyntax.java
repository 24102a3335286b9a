package dev.lethe.model;

import com.hubspot.jinjava.el.TruthyTypeConverter;
import com.hubspot.jinjava.el.ext.ExtendedParser;
import jinjava.de.odysseus.el.ExpressionFactoryImpl;
import jinjava.de.odysseus.el.tree.TreeStore;
import jinjava.de.odysseus.el.tree.impl.Builder;
import jinjava.de.odysseus.el.tree.impl.Cache;
import jinjava.de.odysseus.el.tree.impl.Parser;
import jinjava.de.odysseus.el.tree.impl.Scanner;
import jinjava.de.odysseus.el.tree.impl.ast.AstNode;
import jinjava.de.odysseus.el.tree.impl.ast.AstUnary;
import jinjava.javax.el.ExpressionFactory;

/** Expressions where Jinja2 reads them otherwise than jinjava: {@code not a is b} is not (a is b), and "false" is true. */
final class JinjaSyntax extends Builder {
    private static final int REMEMBERED = 2000;

    private JinjaSyntax() {
        super(Feature.METHOD_INVOCATIONS, Feature.VARARGS);
    }

    static ExpressionFactory expressions() {
        return new ExpressionFactoryImpl(new TreeStore(new JinjaSyntax(), new Cache(REMEMBERED)), new Truth());
    }

    @Override
    protected Parser createParser(String expression) {
        return new ExtendedParser(this, expression) {
            @Override
            protected AstNode unary(boolean required) throws Scanner.ScanException, ParseException {
                if (getToken().getSymbol() == Scanner.Symbol.NOT) {
                    consumeToken();
                    return createAstUnary(eq(true), AstUnary.NOT);
                }
                return super.unary(required);
            }
        };
    }

    private static final class Truth extends TruthyTypeConverter {
        @Override
        protected Boolean coerceToBoolean(Object value) {
            return PythonText.isTrue(value);
        }
    }
}
