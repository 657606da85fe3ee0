using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Distributed.Jobs.Runs;

/// <summary>A model's prediction for one image, or why there is none: a line of JSON, which <c>predict --json</c> prints.</summary>
internal sealed record Prediction
{
    private static readonly JsonSerializerOptions _options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public required string File { get; init; }
    public string? Label { get; init; } // The most probable class; null if there is an Error, like the three members below.
    public float? Probability { get; init; } // Probability of Label, 0 to 1.

    /// <summary>Probability of every class, in the order of the classes; their sum is 1.</summary>
    public OrderedDictionary<string, float>? Probabilities { get; init; }

    public IReadOnlyList<float>? Logits { get; init; } // The model's output for every class, before the softmax.
    public string? Error { get; init; }

    /// <param name="logits">One finite number per class, at least one.</param>
    public static Prediction Of(string file, float[] logits, IReadOnlyList<string> labels)
    {
        var largest = logits.Max();
        double[] shares = [.. logits.Select(logit => Math.Exp((double)logit - largest))];
        var sum = shares.Sum();
        var best = Array.IndexOf(logits, largest);
        return new()
        {
            File = file,
            Label = labels[best],
            Probability = (float)(shares[best] / sum),
            Probabilities = new(shares.Select((share, i) => KeyValuePair.Create(labels[i], (float)(share / sum)))),
            Logits = logits,
        };
    }

    public string ToLine() => JsonSerializer.Serialize(this, _options);

    public static Prediction Parse(string line) =>
        JsonSerializer.Deserialize<Prediction>(line, _options) ?? throw new JsonException("null is not a prediction");
}
