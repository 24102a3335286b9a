package dev.lethe.template;

import com.hubspot.jinjava.el.TruthyTypeConverter;
import com.hubspot.jinjava.el.ext.AstNamedParameter;
import com.hubspot.jinjava.el.ext.ExtendedParser;
import java.util.ArrayList;
import java.util.List;
import jinjava.de.odysseus.el.ExpressionFactoryImpl;
import jinjava.de.odysseus.el.tree.TreeStore;
import jinjava.de.odysseus.el.tree.impl.Builder;
import jinjava.de.odysseus.el.tree.impl.Cache;
import jinjava.de.odysseus.el.tree.impl.Parser;
import jinjava.de.odysseus.el.tree.impl.Scanner;
import jinjava.de.odysseus.el.tree.impl.ast.AstIdentifier;
import jinjava.de.odysseus.el.tree.impl.ast.AstNode;
import jinjava.de.odysseus.el.tree.impl.ast.AstParameters;
import jinjava.de.odysseus.el.tree.impl.ast.AstUnary;
import jinjava.javax.el.ExpressionFactory;

/** Expressions where Jinja2 reads them otherwise than jinjava: {@code not a is b}, {@code f(a=b - 1)}, "false" as a truth. */
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

            @Override
            protected AstParameters params(Scanner.Symbol left, Scanner.Symbol right)
                    throws Scanner.ScanException, ParseException {
                consumeToken(left);
                List<AstNode> all = new ArrayList<>();
                while (getToken().getSymbol() != right) {
                    all.add(param());
                    if (getToken().getSymbol() != right) {
                        consumeToken(Scanner.Symbol.COMMA);
                    }
                }
                consumeToken(right);
                return createAstParameters(all);
            }

            /** A whole expression behind a name and an equals sign, where jinjava takes its first operand alone. */
            private AstNode param() throws Scanner.ScanException, ParseException {
                if (getToken().getSymbol() == Scanner.Symbol.IDENTIFIER && lookahead(0).getImage().equals("=")) {
                    AstIdentifier name = identifier(consumeToken().getImage());
                    consumeToken();
                    return new AstNamedParameter(name, expr(true));
                }
                return expr(true);
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
