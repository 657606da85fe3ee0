using System.Globalization;
using System.IO.Compression;
using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>A table that is built in (see Embedded/README.md): a line of names, then rows of numbers, the last of each its target.</summary>
internal sealed record EmbeddedTable(string Name, string Resource, TableFormat Format)
{
    /// <summary>30 measurements of cell nuclei, and whether the tumour is malignant (0) or benign (1): 569 rows (Wolberg et al., 1995).</summary>
    public static EmbeddedTable BreastCancer { get; } = new("breast-cancer", "breast_cancer.csv.gz", new(30, 2));

    /// <summary>10 measurements of patients, and how far their diabetes is a year later: 442 rows (Efron et al., 2004).</summary>
    public static EmbeddedTable Diabetes { get; } = new("diabetes", "diabetes.csv.gz", new(10, 0));

    /// <exception cref="DataException">The file in this build is damaged.</exception>
    public DataSet Load()
    {
        var rows = Rows();
        return new Table([.. rows.SelectMany(row => row[..^1])], [.. rows.Select(row => row[^1])], Format.Classes).ToDataSet(Name);
    }

    private List<double[]> Rows()
    {
        using var stream = typeof(EmbeddedTable).Assembly.GetManifestResourceStream(Resource) ?? throw new DataException($"This build lacks the embedded file {Resource}.");
        using var text = new StreamReader(new GZipStream(stream, CompressionMode.Decompress));
        text.ReadLine();
        List<double[]> rows = [];
        while (text.ReadLine() is { } line)
        {
            var cells = line.Split(',');
            var row = new double[Format.Columns + 1];
            if (cells.Length != row.Length) throw new DataException($"{Resource}: line {rows.Count + 2} has {cells.Length} values; expected {row.Length}.");
            for (var i = 0; i < row.Length; i++)
                if (!double.TryParse(cells[i], NumberStyles.Float, CultureInfo.InvariantCulture, out row[i]) || !double.IsFinite(row[i]))
                    throw new DataException($"{Resource}: line {rows.Count + 2}, column {i + 1} is '{cells[i]}'; a number is expected.");
            rows.Add(row);
        }
        return rows;
    }
}
