// Suggested questions. They are text from files and visitors: textContent only.
const box = element.querySelector('.ask-chips');
const draw = () => {
  const questions = Array.isArray(props.value) ? props.value : [];
  box.replaceChildren(...questions.map((question) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = question;
    button.addEventListener('click', () => trigger('pick', { question }));
    return button;
  }));
};
watch('value', draw);
draw();
